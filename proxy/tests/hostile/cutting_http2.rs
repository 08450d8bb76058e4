//! Requests of HTTP/2 that end at every byte there is.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use lab::{Authority, Proxy, Setup, id};
use model::inbound::MtlsMode;
use proxy::{
    tcp::stream::Prefixed,
    tls::{Carries, Tls},
};
use runtime::clock::Clock;
use socket2::SockRef;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    client::say_on,
    echo::Echo,
    frames::{
        ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, fields, frame, preface, read,
    },
    recorder::Recorder,
    stage::{Bystander, all_places_are_free, comes_to_rest, plain},
};

#[tokio::test]
async fn a_request_of_http2_that_is_cut_at_any_byte_never_arrives_whole() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/cut")];
    let trailers = fields(&[("x-sum", "7")]);
    let bytes = [
        preface(),
        frame(HEADERS, END_HEADERS, 1, &fields(&head)),
        frame(DATA, 0, 1, b"hello"),
        frame(DATA, 0, 1, b" world"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers),
    ];
    let bytes = &bytes.concat();
    let outbound = proxy.outbound();
    let cut = |(at, reset): (usize, bool)| async move {
        let mut client = TcpStream::connect(outbound).await.unwrap();
        client.write_all(&bytes[..at]).await.unwrap();
        if reset {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    };
    let cuts: Vec<_> = (0..bytes.len()).flat_map(|at| [(at, true), (at, false)]).collect();
    println!("{} cuts", cuts.len());
    stream::iter(cuts).map(cut).buffer_unordered(16).collect::<Vec<_>>().await;
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(outbound).await;
    comes_to_rest(&proxy).await;
    let whole = echo.whole();
    assert!(whole.iter().all(|request| request == "GET /bystander"), "{whole:?}");
}

/// A stream that is reset in the middle, with each reason there is: the first says that there was
/// no error.
#[tokio::test]
async fn a_request_of_http2_that_is_reset_never_arrives_whole_whatever_the_reason() {
    let (echo, recorder) = (Echo::start().await, Recorder::start().await);
    let proxy = plain(echo.address);
    let authority = Authority::fresh();
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let server = Proxy::start(setup.serving(recorder.address, MtlsMode::Strict));
    let tls = Tls::new(authority.identity("frontend"), Clock::system());
    for reason in 0..15 {
        let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a")];
        let path = [(":path", "/cut"), ("x-serin-client-version", "1.1")];
        let block = fields(&[&head[..], &path[..]].concat());
        let opened =
            [preface(), frame(HEADERS, END_HEADERS, 1, &block), frame(DATA, 0, 1, b"hello")];
        let opened = opened.concat();
        // Who answers the second has read the first.
        let ping = frame(PING, 0, 0, &[7; 8]);
        let reset = [frame(RST_STREAM, 0, 1, &[0, 0, 0, reason]), ping].concat();
        let ponged =
            |heard: &[u8]| read(heard).iter().any(|frame| frame.kind == PING && frame.flags == ACK);
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        client.write_all(&[&opened[..], &reset[..]].concat()).await.unwrap();
        let stream = Prefixed::new(TcpStream::connect(server.inbound()).await.unwrap());
        let mut peer = tls.connect(stream, Carries::Http2, &id("catalogue")).await.unwrap();
        peer.write_all(&opened).await.unwrap();
        recorder.is_sent(usize::from(reason) + 1, b"hello").await;
        peer.write_all(&reset).await.unwrap();
        peer.flush().await.unwrap();
        say_on(&mut client, &[], ponged).await;
        say_on(&mut peer, &[], ponged).await;
    }
    comes_to_rest(&proxy).await;
    comes_to_rest(&server).await;
    drop((proxy, server));
    recorder.all_ended().await;
    assert_eq!(echo.whole(), [""; 0]);
    assert_eq!(recorder.kept().requests, [""; 0]);
}
