//! How byte streams ended, as proxies count it and as their access logs tell it.

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use lab::{Authority, Proxy, Setup, mesh, service};
use model::{
    endpoint::Endpoint,
    inbound::MtlsMode,
    key::Key,
    mesh::{AccessLog, Mesh, OutboundPolicy},
    resource::Resource,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
};

use crate::talk::Application;

/// How a proxy comes to carry a stream.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// From its pod to a service.
    Out,
    /// To its pod's application.
    In,
    /// From its pod to where the mesh knows of nothing.
    Elsewhere,
}

const WAYS: [Way; 3] = [Way::Out, Way::In, Way::Elsewhere];

/// A proxy on the way to an application, and what it logs.
struct OnTheWay {
    proxy: Proxy,
    to: SocketAddr,
    lines: Receiver<Vec<u8>>,
}

impl OnTheWay {
    fn start(way: Way, application: SocketAddr) -> Self {
        let setup = Setup::new("catalogue");
        Self::of(
            way,
            application,
            match way {
                Way::Out => setup.with(service(vec![Endpoint::plain(application)])),
                Way::In => setup
                    .identity(Authority::fresh().identity("catalogue"))
                    .serving(application, MtlsMode::Permissive),
                Way::Elsewhere => setup.going_to(application),
            },
        )
    }

    fn of(way: Way, application: SocketAddr, setup: Setup) -> Self {
        let (written, lines) = channel();
        let Resource::Mesh(plain) = mesh(OutboundPolicy::AllowAny) else {
            panic!("it is the mesh")
        };
        let logged = Mesh { access_log: Some(AccessLog::default()), ..Mesh::clone(&plain) };
        let setup = setup.with([(Key::Mesh, Resource::Mesh(logged.into()))]).logging_to(written);
        let proxy = Proxy::start(setup);
        proxy.feed().absent(Key::Address(application));
        let to = if matches!(way, Way::In) { proxy.inbound() } else { proxy.outbound() };
        Self { proxy, to, lines }
    }

    /// The flags of the next line, which is written when all is counted.
    async fn logged(self) -> (String, Proxy) {
        let Self { proxy, lines, .. } = self;
        let line = tokio::task::spawn_blocking(move || lines.recv().unwrap()).await.unwrap();
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        (line["response_flags"].as_str().unwrap().to_owned(), proxy)
    }
}

/// How many streams were opened and closed under these flags, and all in all.
fn counted(proxy: &Proxy, flags: &str) -> [[f64; 2]; 2] {
    let flags = format!("response_flags=\"{flags}\"");
    let names = ["istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total"];
    [&[&*flags][..], &[]].map(|labels| names.map(|name| proxy.counted(name, labels)))
}

/// Checks that a client that says `words` is reset, and that this is one stream, with one of
/// `flags`.
async fn check_nobody(way: Way, between: OnTheWay, words: &[u8], flags: &[&str]) {
    // The reset may come before the client knows that it is connected.
    let told = async {
        let mut client = TcpStream::connect(between.to).await?;
        client.write_all(words).await?;
        client.read_u8().await
    };
    assert!(told.await.is_err(), "{way:?}");
    let (logged, proxy) = between.logged().await;
    assert!(flags.contains(&&*logged), "{way:?}: {logged}");
    assert_eq!(counted(&proxy, &logged), [[1.0, 1.0]; 2], "{way:?}");
}

/// An address that nobody listens at, and what keeps others from it.
fn nobody() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

#[tokio::test]
async fn a_stream_whose_server_does_not_listen_is_opened_and_closed_at_once() {
    let (gone, _kept) = nobody();
    for way in WAYS {
        check_nobody(way, OnTheWay::start(way, gone), &[0, 1, 2], &["UF"]).await;
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_server_that_does_not_listen_is_counted_like_any_other() {
    let (gone, _kept) = nobody();
    for way in WAYS {
        check_nobody(way, OnTheWay::start(way, gone), &[], &["UF"]).await;
    }
}

#[tokio::test]
async fn a_stream_to_a_service_without_endpoints_is_opened_and_closed_at_once() {
    let (gone, _kept) = nobody();
    let setup = Setup::new("frontend").with(service(Vec::new()));
    check_nobody(Way::Out, OnTheWay::of(Way::Out, gone, setup), &[0, 1, 2], &["UH"]).await;
}

#[tokio::test]
async fn a_client_whose_server_cuts_it_off_before_a_word_is_counted() {
    let application = Application::tcp(|stream| async move { reset(stream) }).await;
    for way in [Way::Out, Way::In] {
        let between = OnTheWay::start(way, application.address);
        // The reset may come before the proxy knows that it is connected.
        check_nobody(way, between, &[], &["UC", "UF"]).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_in_its_middle_is_closed_with_who_cut_it() {
    let (given, mut taken) = mpsc::channel(1);
    let application = Application::tcp(move |stream| {
        let given = given.clone();
        async move { given.send(stream).await.unwrap() }
    });
    let application = application.await;
    for way in WAYS {
        for (flags, client_cuts) in [("DC", true), ("UC", false)] {
            let between = OnTheWay::start(way, application.address);
            let mut client = TcpStream::connect(between.to).await.unwrap();
            client.write_all(&[0]).await.unwrap();
            let mut server: TcpStream = taken.recv().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), 0);
            assert_eq!(counted(&between.proxy, "-")[1], [1.0, 0.0], "{way:?}: it is open");
            let (cutting, other) = if client_cuts { (client, server) } else { (server, client) };
            reset(cutting);
            let (logged, proxy) = between.logged().await;
            drop(other);
            assert_eq!(logged, flags, "{way:?}");
            assert_eq!(counted(&proxy, flags), [[0.0, 1.0], [1.0, 1.0]], "{way:?}");
            assert_eq!(counted(&proxy, "-")[0], [1.0, 0.0], "{way:?}");
        }
    }
}

/// Closes so that the other side sees a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}
