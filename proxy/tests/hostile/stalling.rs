//! Peers that begin and do not go on: each is waited for only as long as is said, and nobody waits
//! with them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use lab::{Authority, HEAD_LIMIT, Proxy, Setup};
use model::inbound::MtlsMode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    client::say,
    echo::Echo,
    frames::{END_HEADERS, END_STREAM, HEADERS, SETTINGS, fields, frame},
    recorder::{Answer, Recorder, Then},
    stage::{Bystander, PLACES, all_places_are_free, comes_to_rest, plain},
};

/// How many do the same at a time, while one place is a bystander's.
const CROWD: usize = PLACES - 1;

/// Writes `begins`, then a byte of `drip` now and then, until the other side closes; says how long
/// that took.
async fn drip(to: SocketAddr, begins: &[u8], drip: u8) -> Duration {
    let began = Instant::now();
    let mut client = TcpStream::connect(to).await.unwrap();
    client.write_all(begins).await.unwrap();
    let mut answer = [0; 1024];
    loop {
        match timeout(HEAD_LIMIT / 10, client.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return began.elapsed(),
            Ok(Ok(_)) => {}
            Err(_silent) => drop(client.write_all(&[drip]).await),
        }
    }
}

#[tokio::test]
async fn heads_that_are_dripped_are_cut_off_in_time_and_nobody_waits_with_them() {
    let recorder = Recorder::start().await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    for begins in ["GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
        let crowd = stream::iter(0..CROWD).map(|_| drip(proxy.outbound(), begins.as_bytes(), b'x'));
        let crowd = crowd.buffer_unordered(CROWD).collect::<Vec<_>>();
        let (times, ()) = tokio::join!(crowd, bystander.is_served());
        let slowest = times.into_iter().max().unwrap();
        assert!(slowest < 10 * HEAD_LIMIT, "{begins:?} took {slowest:?}");
    }
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
}

#[tokio::test]
async fn bodies_that_stall_hold_up_nobody_and_end_with_their_client() {
    let recorder = Recorder::start().await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let begins = [
        "POST /stall HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\nhello",
        "POST /stall HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ];
    let mut crowd = Vec::new();
    for begins in begins.iter().cycle().take(CROWD) {
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        client.write_all(begins.as_bytes()).await.unwrap();
        crowd.push(client);
    }
    bystander.is_served().await;
    drop((crowd, bystander));
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn responses_that_nobody_reads_hold_up_nobody_and_end_with_their_client() {
    let flood = Answer {
        bytes: b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n".repeat(20),
        then: Then::Repeat,
    };
    let recorder = Recorder::answering(BTreeMap::from([("/flood".to_owned(), flood)])).await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        client.write_all(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        client.read_u8().await.unwrap();
        crowd.push(client);
    }
    bystander.is_served().await;
    drop((crowd, bystander));
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn windows_that_are_never_opened_hold_up_nobody_and_end_with_their_client() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing.
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/zero")];
    for number in 0..100 {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(&head)));
    }
    let crowd = stream::iter(0..8).map(|_| say(proxy.outbound(), &bytes, |_| false));
    let crowd = crowd.buffer_unordered(8).collect::<Vec<_>>();
    tokio::join!(crowd, bystander.is_served());
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn handshakes_that_stall_are_cut_off_in_time() {
    let recorder = Recorder::start().await;
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let setup = setup.serving(recorder.address, MtlsMode::Permissive);
    let server = Proxy::start(Setup { connections: PLACES, ..setup });
    let mut bystander = Bystander::at(server.inbound()).await;
    // A hello of a kilobyte, of which the first few bytes come.
    let begins: &[u8] = &[22, 3, 1, 4, 0, 1, 0, 3, 252, 3, 3];
    let crowd = stream::iter(0..CROWD).map(|_| drip(server.inbound(), begins, 0));
    let crowd = crowd.buffer_unordered(CROWD).collect::<Vec<_>>();
    let (times, ()) = tokio::join!(crowd, bystander.is_served());
    let slowest = times.into_iter().max().unwrap();
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    drop(bystander);
    all_places_are_free(server.inbound()).await;
}
