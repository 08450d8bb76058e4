//! Handshakes that are cut, changed or somebody else's: who does not prove to be of the mesh never
//! reaches the application of a strict pod.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use lab::{Authority, Proxy, Setup, id, meshed, service, strict};
use model::inbound::MtlsMode;
use proxy::{
    tcp::stream::Prefixed,
    tls::{Carries, Tls},
};
use runtime::clock::Clock;
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

use crate::{
    client::say,
    recorder::Recorder,
    stage::{Bystander, PLACES, comes_to_rest},
    tasks::spawn,
};

/// A strict pod in front of `recorder`.
fn strict_pod(authority: &Authority, recorder: &Recorder) -> Proxy {
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let setup = setup.serving(recorder.address, MtlsMode::Strict);
    Proxy::start(Setup { connections: PLACES, ..setup })
}

/// What a peer of the mesh says first.
async fn hello(authority: &Authority) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = Tls::new(authority.identity("frontend"), Clock::system());
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 16 * 1024];
    let catalogue = id("catalogue");
    let connecting = tls.connect(Prefixed::new(stream), Carries::Http2, &catalogue);
    let read = tokio::select! {
        _ = connecting => panic!("nobody answers"),
        read = accepted.read(&mut hello) => read.unwrap(),
    };
    hello.truncate(read);
    hello
}

/// Asserts that a peer of the mesh is served, and nobody else was.
async fn only_peers_were_let_in(authority: &Authority, server: &Proxy, recorder: &Recorder) {
    assert_eq!(recorder.kept().streams.len(), 0, "somebody came through");
    let endpoints = vec![meshed(server.inbound(), "catalogue")];
    let client = Setup::new("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(client.with(service(endpoints)));
    // Nobody else's place is taken any more.
    for _ in 0..3 {
        Bystander::at(client.outbound()).await;
    }
    drop(client);
    comes_to_rest(server).await;
}

#[tokio::test]
async fn a_hello_that_is_cut_or_changed_at_any_byte_leads_nowhere() {
    let (authority, recorder) = (Authority::fresh(), Recorder::start().await);
    let server = strict_pod(&authority, &recorder);
    let hello = hello(&authority).await;
    let mut tries: Vec<(Vec<u8>, bool)> = Vec::new();
    for at in 0..hello.len() {
        tries.push((hello[..at].to_vec(), at % 2 == 0));
        // Many of these are good hellos, and cost a handshake.
        if at % 3 == 0 {
            let mut changed = hello.clone();
            changed[at] ^= 0xff;
            tries.push((changed, at % 2 == 0));
        }
    }
    for garbage in [0, 22, 23, 128, 255] {
        tries.push(([&hello[..], &[garbage; 300]].concat(), false));
        tries.push((vec![garbage; 20_000], false));
    }
    println!("{} cases", tries.len());
    let inbound = server.inbound();
    let attempt = |(bytes, reset): (Vec<u8>, bool)| async move {
        let mut client = TcpStream::connect(inbound).await.unwrap();
        // It may be closed before all of it is said.
        drop(client.write_all(&bytes).await);
        if reset {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    };
    stream::iter(tries).map(attempt).buffer_unordered(16).collect::<Vec<_>>().await;
    only_peers_were_let_in(&authority, &server, &recorder).await;
}

#[tokio::test]
async fn who_is_not_of_the_mesh_or_does_not_speak_as_its_proxies_do_leads_nowhere() {
    let (authority, recorder) = (Authority::fresh(), Recorder::start().await);
    let server = strict_pod(&authority, &recorder);
    let protocols: [&[&[u8]]; 6] =
        [&[], &[b"h2"], &[b"http/1.1"], &[b"serin-h3"], &[b"serin-h2"], &[b"serin-h2", b"h2"]];
    for alpn in protocols {
        let stream = TcpStream::connect(server.inbound()).await.unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let name = "catalogue.mesh.serin".try_into().unwrap();
        assert!(connector.connect(name, stream).await.is_err(), "{alpn:?}");
    }
    let stranger = Tls::new(Authority::fresh().identity("frontend"), Clock::system());
    for carries in [Carries::Http2, Carries::Http1, Carries::Bytes] {
        let stream = Prefixed::new(TcpStream::connect(server.inbound()).await.unwrap());
        assert!(stranger.connect(stream, carries, &id("catalogue")).await.is_err());
    }
    only_peers_were_let_in(&authority, &server, &recorder).await;
}

#[tokio::test]
async fn who_gives_a_handshake_up_is_not_counted_as_refused() {
    let (authority, recorder) = (Authority::fresh(), Recorder::start().await);
    let server = strict_pod(&authority, &recorder);
    let hello = hello(&authority).await;
    for garbage in [&[][..], b"garbage"] {
        let mut client = TcpStream::connect(server.inbound()).await.unwrap();
        client.write_all(&[&hello[..], garbage].concat()).await.unwrap();
        client.shutdown().await.unwrap();
        // It may be reset, and has ended in either case.
        drop(client.read_to_end(&mut Vec::new()).await);
    }
    // The worker that serves a peer has counted those before it.
    only_peers_were_let_in(&authority, &server, &recorder).await;
    let refused = server.counted("serin_proxy_events_total", &["refused_handshake"]);
    assert_eq!(refused, 1.0, "the one that said what is no handshake");
}

/// Carries bytes from the client's proxy to the server's, and cuts the connection after so many of
/// them; each connection is cut a little later than the one before.
async fn cutting_relay(to: SocketAddr, step: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&limit);
    spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let limit = shared.fetch_add(step, Ordering::Relaxed) + step;
            let server = TcpStream::connect(to).await.unwrap();
            spawn(relay(client, server, limit));
        }
    });
    (address, limit)
}

async fn relay(client: TcpStream, server: TcpStream, limit: usize) {
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut limited = from_client.take(limit as u64);
    tokio::select! {
        _ = tokio::io::copy(&mut limited, &mut to_server) => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

#[tokio::test]
async fn connections_between_proxies_that_are_cut_anywhere_never_make_half_a_request_whole() {
    let (authority, recorder) = (Authority::fresh(), Recorder::start().await);
    let server = strict_pod(&authority, &recorder);
    let (relay, limit) = cutting_relay(server.inbound(), 61).await;
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(setup.with(service(vec![meshed(relay, "catalogue")])));
    let asks = b"POST /cut HTTP/1.1\r\nhost: a\r\ncontent-length: 300\r\nconnection: close\r\n\r\n";
    let asks = [&asks[..], &[b'x'; 300]].concat();
    let (mut cuts, mut answered) = (0, 0);
    while limit.load(Ordering::Relaxed) < 6_000 {
        let heard = say(client.outbound(), &asks, |_| false).await;
        let answers = strict::responses(&heard.bytes, &["POST"]).messages;
        cuts += 1;
        answered += answers.iter().filter(|answer| answer.start == "200").count();
    }
    println!("{cuts} cuts, {answered} came late enough");
    comes_to_rest(&client).await;
    comes_to_rest(&server).await;
    drop((client, server));
    recorder.all_ended().await;
    let whole = recorder
        .kept()
        .streams
        .iter()
        .flat_map(|bytes| strict::requests(bytes).messages)
        .collect::<Vec<_>>();
    assert!(whole.iter().all(|message| message.body.len() == 300));
    assert!(answered <= whole.len());
}
