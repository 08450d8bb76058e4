//! Load balancers that say whose connections they pass on (the PROXY protocol), where a pod expects
//! them, and nowhere else.

use lab::{Authority, Proxy, Setup, meshed, service};
use model::inbound::MtlsMode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};

use crate::talk::{Application, get, http1, words};

const TEXT: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 80\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\xdc\x04\0\x50";
/// A health check of the load balancer's own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
    x-forwarded-for: 192.0.2.1\r\n\r\n";

/// A permissive pod behind load balancers, or not.
fn pod(application: &Application, is_behind: bool) -> Proxy {
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let setup = setup.serving(application.address, MtlsMode::Permissive);
    let ports = is_behind.then_some(application.address.port());
    Proxy::start(Setup { proxy_protocol_ports: ports.into_iter().collect(), ..setup })
}

/// What a sender of `first` gets to read, and whether that ended in order.
async fn answer(server: &Proxy, first: &[u8]) -> (String, bool) {
    let mut sender = TcpStream::connect(server.inbound()).await.unwrap();
    sender.write_all(first).await.unwrap();
    let mut answer = Vec::new();
    let ended = sender.read_to_end(&mut answer).await;
    (String::from_utf8(answer).unwrap(), ended.is_ok())
}

#[tokio::test]
async fn the_client_that_a_load_balancer_names_is_told_to_the_application() {
    let application = Application::mirror().await;
    let server = pod(&application, true);
    for header in [TEXT, BINARY] {
        let (answer, _) = answer(&server, &[header, ASK].concat()).await;
        let clients: Vec<_> =
            answer.lines().filter_map(|line| line.strip_prefix("x-forwarded-for: ")).collect();
        assert_eq!(clients, ["192.0.2.1", "203.0.113.7"], "{answer}");
    }
    let (answer, _) = answer(&server, &[LOCAL, ASK].concat()).await;
    assert!(answer.contains("x-forwarded-for: 127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_when_its_client_is_known() {
    let application = Application::tcp(|mut stream| async move {
        stream.write_all(b"220 ready\r\n").await.unwrap();
    });
    let application = application.await;
    let server = pod(&application, true);
    assert_eq!(answer(&server, TEXT).await, ("220 ready\r\n".to_owned(), true));
}

#[tokio::test]
async fn who_says_nothing_of_the_client_where_that_is_expected_is_refused() {
    let application = Application::mirror().await;
    let server = pod(&application, true);
    let malformed = [ASK, b"PROXY TCP4 nobody\r\n", b"\r\n\r\n\0\r\nQUIT\n\xff", b"PROXY "];
    for first in malformed {
        assert_eq!(answer(&server, first).await, (String::new(), false));
    }
    let refused = server.counted("serin_proxy_events_total", &["refused_header"]);
    assert_eq!(refused, malformed.len() as f64);
}

#[tokio::test]
async fn what_is_said_of_the_client_where_nobody_expects_it_is_left_to_the_application() {
    let (heard, mut hearing) = mpsc::channel(1);
    let application = Application::tcp(move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut bytes = vec![0; TEXT.len()];
            stream.read_exact(&mut bytes).await.unwrap();
            heard.send(bytes).await.unwrap();
        }
    });
    let application = application.await;
    let server = pod(&application, false);
    let mut sender = TcpStream::connect(server.inbound()).await.unwrap();
    sender.write_all(TEXT).await.unwrap();
    assert_eq!(hearing.recv().await.unwrap(), TEXT);
}

#[tokio::test]
async fn peers_of_the_mesh_need_no_load_balancer() {
    let (authority, application) = (Authority::fresh(), Application::mirror().await);
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let setup = setup.serving(application.address, MtlsMode::Permissive);
    let ports = [application.address.port()].into();
    let server = Proxy::start(Setup { proxy_protocol_ports: ports, ..setup });
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(setup.with(service(vec![meshed(server.inbound(), "catalogue")])));
    let response = http1(client.outbound()).await.send_request(get("/")).await.unwrap();
    let told = words(response).await;
    assert!(told.contains("x-forwarded-client-cert") && !told.contains("forwarded-for"), "{told}");
}
