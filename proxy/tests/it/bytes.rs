//! Bytes that are carried: each way ends on its own, a reset is a reset, and TLS of the clients'
//! own is left to them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lab::{Authority, Pair, Proxy, Setup, service};
use model::{endpoint::Endpoint, inbound::MtlsMode, key::Key};
use rcgen::{CertifiedKey, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::talk::Application;

/// What lies between a client and an application.
enum Between {
    /// The client's proxy; the application has none.
    Client(Proxy),
    /// The application's proxy; the client has none.
    Server(Proxy),
    /// Both, and TLS between them.
    Both(Box<Pair>),
    /// The client's proxy, which knows of nothing there.
    Stranger(Proxy),
}

impl Between {
    fn all(application: &Application) -> [Self; 4] {
        let plain = vec![Endpoint::plain(application.address)];
        let client = Proxy::start(Setup::new("frontend").with(service(plain)));
        let server = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
        let server = Proxy::start(server.serving(application.address, MtlsMode::Permissive));
        let stranger = Proxy::start(Setup::new("frontend").going_to(application.address));
        stranger.feed().absent(Key::Address(application.address));
        let both = Box::new(Pair::start(application.address));
        [Self::Client(client), Self::Server(server), Self::Both(both), Self::Stranger(stranger)]
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Client(proxy) | Self::Stranger(proxy) => proxy.outbound(),
            Self::Server(proxy) => proxy.inbound(),
            Self::Both(pair) => pair.client.outbound(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Client(_) => "the client's proxy",
            Self::Server(_) => "the server's proxy",
            Self::Both(_) => "both proxies",
            Self::Stranger(_) => "a proxy that knows of nothing there",
        }
    }
}

/// An application that hands its connections to the test.
async fn handing() -> (Application, mpsc::Receiver<TcpStream>) {
    let (given, taken) = mpsc::channel(1);
    let application = Application::tcp(move |stream| {
        let given = given.clone();
        async move { given.send(stream).await.unwrap() }
    });
    (application.await, taken)
}

/// A client and an application that have spoken to each other.
async fn joined(
    between: &Between,
    taken: &mut mpsc::Receiver<TcpStream>,
) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(between.address()).await.unwrap();
    client.write_all(&[0]).await.unwrap();
    let mut server = taken.recv().await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), 0);
    server.write_all(&[1]).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), 1);
    (client, server)
}

/// `ending` ends its way, `other` hears that, and has its own way still.
async fn end_one_way_and_then_the_other(ending: &mut TcpStream, other: &mut TcpStream) {
    ending.write_all(b"the last word").await.unwrap();
    ending.shutdown().await.unwrap();
    let mut heard = Vec::new();
    other.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"the last word");
    let much = vec![7; 1 << 20];
    let sent = async {
        other.write_all(&much).await.unwrap();
        other.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, ended) = tokio::join!(sent, ending.read_to_end(&mut heard));
    ended.unwrap();
    assert_eq!(heard, much);
}

#[tokio::test]
async fn each_way_ends_on_its_own_whoever_ends_first() {
    let (application, mut taken) = handing().await;
    for between in Between::all(&application) {
        let (mut client, mut server) = joined(&between, &mut taken).await;
        end_one_way_and_then_the_other(&mut client, &mut server).await;
        let (mut client, mut server) = joined(&between, &mut taken).await;
        end_one_way_and_then_the_other(&mut server, &mut client).await;
    }
}

/// Closes so that the other side sees a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

async fn is_reset(mut stream: TcpStream) -> bool {
    let read = stream.read_u8().await;
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset_whoever_resets() {
    let (application, mut taken) = handing().await;
    for between in Between::all(&application) {
        let (client, server) = joined(&between, &mut taken).await;
        reset(client);
        assert!(is_reset(server).await, "{}: the client resets", between.name());
        let (client, server) = joined(&between, &mut taken).await;
        reset(server);
        assert!(is_reset(client).await, "{}: the server resets", between.name());
    }
}

#[tokio::test]
async fn a_reset_after_one_way_has_ended_is_still_a_reset() {
    let (application, mut taken) = handing().await;
    for between in Between::all(&application) {
        for client_ends in [true, false] {
            let (client, server) = joined(&between, &mut taken).await;
            let (mut ending, mut other) =
                if client_ends { (client, server) } else { (server, client) };
            ending.shutdown().await.unwrap();
            assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
            reset(other);
            let name = between.name();
            assert!(is_reset(ending).await, "{name}: the client has ended: {client_ends}");
        }
    }
}

/// An application with TLS of its own, which says whom its client asked for.
async fn with_tls(certified: &CertifiedKey<KeyPair>) -> Application {
    let chain = vec![certified.cert.der().clone()];
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    Application::tcp(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
            stream.write_all(name.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn tls_of_the_clients_own_reaches_the_application_with_the_name_it_asked_for() {
    const NAME: &str = "catalogue.example";
    let certified = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let application = with_tls(&certified).await;
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for between in Between::all(&application) {
        let stream = TcpStream::connect(between.address()).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let mut asked_for = String::new();
        stream.read_to_string(&mut asked_for).await.unwrap();
        assert_eq!(asked_for, NAME, "{}", between.name());
    }
}
