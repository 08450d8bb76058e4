//! Who speaks first: servers that do are heard without a stall, and what is learned of them never
//! takes a request for bytes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use lab::{
    Authority, HEAD_LIMIT, Pair, Proxy, SERVICE, Setup, endpoints, inbound, meshed, plain_service,
    service, service_id,
};
use model::{
    endpoint::Endpoint,
    inbound::MtlsMode,
    key::Key,
    mesh::{Mesh, OutboundPolicy},
    resource::{Destination, Resource},
    route::{RequestMatch, Route, WeightedBackend},
    service::{Protocol, Service, ServiceId},
    workload::Workload,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
    time::timeout,
};

use crate::{
    mesh::peer,
    split::{split, under_rollout},
    talk::{Application, get, http1, words},
};

const SMTP: &[u8] = b"220 mail.shop ESMTP\r\n";
/// As MariaDB greets: a length, a sequence number, a version, and so on.
const MARIADB: &[u8] = b"\x16\0\0\0\x0a5.5.5-10.11\0\x01\0\0\0salt\0..";

/// An application that greets whoever comes, and echoes what it is told.
async fn greeting(greeting: &'static [u8]) -> Application {
    Application::tcp(move |mut stream| async move {
        stream.write_all(greeting).await.unwrap();
        let (mut from, mut to) = stream.split();
        drop(tokio::io::copy(&mut from, &mut to).await);
    })
    .await
}

/// Connects, hears the greeting and has a word echoed.
async fn greeted(to: SocketAddr, greeting: &[u8]) {
    let mut client = TcpStream::connect(to).await.unwrap();
    let mut heard = vec![0; greeting.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, greeting);
    client.write_all(b"EHLO").await.unwrap();
    let mut echo = [0; 4];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"EHLO");
}

#[tokio::test]
async fn a_word_without_an_end_is_answered_without_a_stall() {
    let application = Application::tcp(|mut stream| async move {
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ruok");
        stream.write_all(b"imok").await.unwrap();
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let proxy = crate::http1_messages::before(&application);
    for to in [proxy.outbound(), pair.client.outbound()] {
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(b"ruok").await.unwrap();
        let mut answer = [0; 4];
        let heard = timeout(Duration::from_secs(5), client.read_exact(&mut answer)).await;
        heard.expect("it does not stall").unwrap();
        assert_eq!(&answer, b"imok");
    }
}

fn awaited(proxy: &Proxy) -> f64 {
    proxy.counted("serin_proxy_events_total", &["first_word_awaited"])
}

fn requests(proxy: &Proxy) -> f64 {
    proxy.counted("istio_requests_total", &["response_code=\"200\""])
}

fn to_plain(application: &Application) -> Setup {
    Setup::new("frontend").with(service(vec![Endpoint::plain(application.address)]))
}

#[tokio::test]
async fn after_the_first_greeting_no_timer_is_waited_for_through_a_pair() {
    for words in [SMTP, MARIADB] {
        let application = greeting(words).await;
        let pair = Pair::start(application.address);
        for _ in 0..5 {
            greeted(pair.client.outbound(), words).await;
        }
        assert_eq!((awaited(&pair.client), awaited(&pair.server)), (1.0, 0.0));
    }
}

#[tokio::test]
async fn after_the_first_greeting_no_timer_is_waited_for_by_who_has_no_proxy() {
    let application = greeting(SMTP).await;
    for protocol in [Protocol::Detect, Protocol::Tcp] {
        let server = permissive(&application, protocol, None);
        for _ in 0..5 {
            greeted(server.inbound(), SMTP).await;
        }
        assert_eq!(awaited(&server), 1.0, "{protocol:?}");
    }
}

/// A permissive pod that is told `sender` of whoever comes from this machine, which is in the mesh.
fn permissive(application: &Application, protocol: Protocol, sender: Option<Workload>) -> Proxy {
    let authority = Authority::fresh();
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let policy = inbound("catalogue", application.address, MtlsMode::Permissive, protocol);
    let setup = Setup { coming_to: application.address, ..setup };
    let server = Proxy::start(setup.with([(Key::Inbound, policy), (Key::Mesh, loopback())]));
    match sender {
        Some(sender) => {
            let key = Key::Workload(sender.address);
            server.feed().push(key, Resource::Workload(Arc::new(sender)));
        }
        None => server.feed().absent(Key::Workload([127, 0, 0, 1].into())),
    }
    server
}

fn loopback() -> Resource {
    Resource::Mesh(Arc::new(Mesh {
        trust_domain: "cluster.local".parse().unwrap(),
        cidrs: vec!["127.0.0.0/8".parse().unwrap()],
        outbound: OutboundPolicy::AllowAny,
        access_log: None,
        tracing: None,
    }))
}

#[tokio::test]
async fn a_client_that_has_ended_its_own_way_still_hears_the_server() {
    let application = greeting(SMTP).await;
    let pair = Pair::start(application.address);
    let mut client = TcpStream::connect(pair.client.outbound()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, SMTP);
}

/// Where a service elsewhere has the same port number.
fn elsewhere() -> ServiceId {
    ServiceId::new("reviews.shop.svc.cluster.local", service_id().port)
}

/// Leads the pod's connections to another service, at `application`.
fn lead_elsewhere(proxy: &Proxy, application: &Application) {
    let mut service = plain_service(Protocol::Detect, None);
    service.id = elsewhere();
    let backend = service.backends.remove(&service_id()).unwrap();
    service.backends.insert(elsewhere(), backend);
    let listed = model::endpoint::Endpoints {
        id: elsewhere(),
        endpoints: vec![Endpoint::plain(application.address)],
    };
    let feed = proxy.feed();
    feed.push(Key::Endpoints(elsewhere()), Resource::Endpoints(Arc::new(listed)));
    feed.push(Key::Service(elsewhere()), Resource::Service(Arc::new(service)));
    let destination = Resource::Destination(Destination::Service(elsewhere()));
    feed.push(Key::Address(SERVICE), destination);
}

#[tokio::test]
async fn http_on_the_same_port_number_elsewhere_is_still_http() {
    let (mail, web) = (greeting(SMTP).await, Application::mirror().await);
    let proxy = Proxy::start(to_plain(&mail));
    greeted(proxy.outbound(), SMTP).await;
    greeted(proxy.outbound(), SMTP).await;
    assert_eq!(awaited(&proxy), 1.0);
    lead_elsewhere(&proxy, &web);
    words(http1(proxy.outbound()).await.send_request(get("/")).await.unwrap()).await;
    assert_eq!(requests(&proxy), 1.0);
}

#[tokio::test]
async fn requests_to_a_service_whose_server_spoke_first_are_still_requests() {
    let (mail, web) = (greeting(SMTP).await, Application::mirror().await);
    let proxy = Proxy::start(to_plain(&mail));
    greeted(proxy.outbound(), SMTP).await;
    let now = endpoints(vec![Endpoint::plain(web.address)]);
    proxy.feed().push(Key::Endpoints(service_id()), now);
    for _ in 0..3 {
        words(http1(proxy.outbound()).await.send_request(get("/")).await.unwrap()).await;
    }
    assert_eq!(requests(&proxy), 3.0);
}

/// The service at [`SERVICE`] with one route, which takes everything.
fn routed() -> (Key, Resource) {
    let to = WeightedBackend { service: Some(service_id()), weight: 1 };
    let everything =
        Route { name: "everything".into(), matches: RequestMatch::default(), backends: vec![to] };
    let plain = plain_service(Protocol::Detect, None);
    let service = Service { routes: vec![everything], ..plain };
    (Key::Service(service_id()), Resource::Service(Arc::new(service)))
}

/// Teaches a proxy that the server speaks first, and then sends a client that takes its time for
/// its request.
async fn taught_and_then_asked_late(then: (Key, Resource)) {
    let (mail, web) = (greeting(SMTP).await, Application::mirror().await);
    let proxy = Proxy::start(to_plain(&mail));
    greeted(proxy.outbound(), SMTP).await;
    let now = endpoints(vec![Endpoint::plain(web.address)]);
    proxy.feed().push(Key::Endpoints(service_id()), now);
    proxy.feed().push(then.0, then.1);
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(requests(&proxy), 1.0);
}

#[tokio::test]
async fn routes_are_never_switched_off_by_what_was_learned() {
    taught_and_then_asked_late(routed()).await;
}

#[tokio::test]
async fn a_rollout_is_never_switched_off_by_what_was_learned() {
    taught_and_then_asked_late(under_rollout(split(0))).await;
}

#[tokio::test]
async fn a_client_that_waits_for_the_server_on_a_port_for_requests_gets_its_answer() {
    const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n";
    let application = Application::tcp(|mut stream| async move {
        let mut head = [0; 1024];
        match timeout(Duration::from_millis(100), stream.read(&mut head)).await {
            Err(_silence) => stream.write_all(LATE).await.unwrap(),
            Ok(_asked) => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let application = application.await;
    for then in [(Key::Service(service_id()), http_service()), routed()] {
        let proxy = Proxy::start(to_plain(&application).with([then]));
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, LATE);
        // Nor is the port mistaken for one of bytes after that.
        let response = http1(proxy.outbound()).await.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(requests(&proxy), 1.0);
    }
}

#[tokio::test]
async fn a_request_line_that_does_not_end_is_refused_in_time_where_requests_are_expected() {
    let application = Application::mirror().await;
    for then in [(Key::Service(service_id()), http_service()), routed()] {
        let proxy = Proxy::start(to_plain(&application).with([then]));
        for begun in ["GET /unended", "PURGE", "PRI * HTTP/2.0\r\n"] {
            let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
            client.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let answered = timeout(20 * HEAD_LIMIT, client.read_to_string(&mut answer)).await;
            answered.expect("it is not waited for").unwrap();
            let refused = ["HTTP/1.1 408 ", "HTTP/1.1 400 "];
            assert!(refused.iter().any(|it| answer.starts_with(it)), "{begun}: {answer}");
        }
        // Nor is one that its client breaks off.
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        client.write_all(b"GET /unended").await.unwrap();
        client.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(proxy.counted("istio_tcp_connections_opened_total", &[]), 0.0);
    }
}

fn http_service() -> Resource {
    Resource::Service(Arc::new(plain_service(Protocol::Http, None)))
}

#[tokio::test]
async fn a_client_that_takes_its_time_before_a_server_of_http2_still_speaks_http2() {
    let application = Application::tcp(|stream| async move {
        // It sends its settings before it has heard anything.
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(http::Response::new(()), true).unwrap();
        }
    });
    let application = application.await;
    let proxy = Proxy::start(to_plain(&application));
    let stream = TcpStream::connect(proxy.outbound()).await.unwrap();
    let mut first = [0; 9];
    // A server's settings come to whoever waits for them.
    let heard = timeout(Duration::from_secs(10), stream.peek(&mut first)).await;
    heard.expect("settings come").unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    crate::talk::spawn(connection);
    let request = http::Request::get("http://catalogue/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(requests(&proxy), 1.0);
}

/// A way to `to` on which the client's first bytes are late.
async fn slow_way(to: SocketAddr) -> Application {
    Application::tcp(move |mut client| async move {
        let mut server = TcpStream::connect(to).await.unwrap();
        let early = timeout(Duration::from_millis(100), server.peek(&mut [0])).await;
        assert!(early.is_err(), "the server spoke before the handshake: {early:?}");
        drop(copy_bidirectional(&mut client, &mut server).await);
    })
    .await
}

#[tokio::test]
async fn a_peer_whose_handshake_is_late_is_not_greeted_in_plain_text() {
    let (authority, application) = (Authority::fresh(), greeting(SMTP).await);
    let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let setup = setup.serving(application.address, MtlsMode::Permissive);
    let server = Proxy::start(setup.with([(Key::Mesh, loopback())]));
    server.feed().absent(Key::Workload([127, 0, 0, 1].into()));
    // It is known that the application speaks first.
    greeted(server.inbound(), SMTP).await;
    let sender = Resource::Workload(Arc::new(peer("frontend")));
    server.feed().push(Key::Workload([127, 0, 0, 1].into()), sender);
    let way = slow_way(server.inbound()).await;
    let setup = Setup::new("frontend").identity(authority.identity("frontend"));
    let client = Proxy::start(setup.with(service(vec![meshed(way.address, "catalogue")])));
    greeted(client.outbound(), SMTP).await;
    let tls = ["connection_security_policy=\"mutual_tls\""];
    assert_eq!(server.counted("istio_tcp_connections_opened_total", &tls), 1.0);
}

#[tokio::test]
async fn a_pod_with_a_proxy_that_sends_no_handshake_is_served_in_the_end_and_then_at_once() {
    let application = greeting(SMTP).await;
    let server = permissive(&application, Protocol::Detect, Some(peer("frontend")));
    for patience in [20, 1] {
        let greeted = greeted(server.inbound(), SMTP);
        timeout(Duration::from_secs(patience), greeted).await.expect("it is served");
    }
}
