//! Traffic between two proxies: who is let in, what arrives, and what both sides say of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use lab::{Authority, Pair, Proxy, Setup, id, inbound, meshed, service, trust};
use model::{
    inbound::MtlsMode,
    key::Key,
    resource::{Destination, Resource},
    service::Protocol,
    workload::Workload,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
    time::timeout,
};

use crate::{
    plain::{sent_to_nobody, sitting, upgrade, upgrading},
    talk::{Application, describe, empty, get, http1, http2, spawn, text, words},
};

#[tokio::test]
async fn a_request_arrives_as_it_was_and_names_its_client() {
    let application = Application::mirror().await;
    let pair = Pair::start(application.address);
    let request = Request::get("/a?b=c").header("host", "catalogue:80").header("x-mine", "1");
    let request = request.header("x-forwarded-client-cert", "URI=spiffe://forged");
    let mut client = http1(pair.client.outbound()).await;
    let response = client.send_request(request.body(empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let words = words(response).await;
    let mut lines = words.lines();
    assert_eq!(lines.next(), Some("GET /a?b=c HTTP/1.1"));
    let mut headers: Vec<_> = lines.collect();
    let certificate = headers.pop().unwrap();
    assert_eq!(headers, ["host: catalogue:80", "x-mine: 1"]);
    let by = format!("x-forwarded-client-cert: By={};Hash=", id("catalogue"));
    assert!(certificate.starts_with(&by), "{certificate}");
    assert!(certificate.ends_with(&format!("URI={}", id("frontend"))), "{certificate}");
}

#[tokio::test]
async fn both_sides_count_the_request_and_name_each_other() {
    let application = Application::mirror().await;
    let pair = Pair::start(application.address);
    let client_ip = std::net::Ipv4Addr::LOCALHOST.into();
    pair.server.feed().push(Key::Workload(client_ip), workload("frontend"));
    let mut client = http1(pair.client.outbound()).await;
    words(client.send_request(get("/")).await.unwrap()).await;
    let service = "destination_service=\"catalogue.shop.svc.cluster.local\"";
    let tls = "connection_security_policy=\"mutual_tls\"";
    let principal = format!("destination_principal=\"{}\"", id("catalogue"));
    let at_client =
        ["reporter=\"source\"", service, tls, &principal, "source_workload=\"frontend\""];
    assert_eq!(pair.client.counted("istio_requests_total", &at_client), 1.0);
    let principal = format!("source_principal=\"{}\"", id("frontend"));
    let at_server = [
        "reporter=\"destination\"",
        service,
        tls,
        &principal,
        "source_workload=\"frontend\"",
        "source_canonical_service=\"frontend\"",
        "destination_workload=\"catalogue\"",
    ];
    assert_eq!(pair.server.counted("istio_requests_total", &at_server), 1.0);
}

fn workload(name: &str) -> Resource {
    Resource::Workload(Arc::new(peer(name)))
}

pub(crate) fn peer(name: &str) -> Workload {
    Workload {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        pod: format!("{name}-1").into(),
        namespace: "shop".into(),
        workload: name.into(),
        app: name.into(),
        version: "v1".into(),
        canonical_name: name.into(),
        canonical_revision: "v1".into(),
        revision: None,
        service_account: name.into(),
        identity: Some(id(name)),
        plain_ports: [].into(),
        keeps_case: false,
        node: "".into(),
        zone: "".into(),
    }
}

#[tokio::test]
async fn grpc_stays_http2_with_its_trailers() {
    let application = Application::http(|request| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.uri().authority().unwrap().as_str(), "catalogue");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let data = request.into_body().collect().await.unwrap().to_bytes();
        let frames = [Ok(Frame::data(data)), Ok(Frame::trailers(trailers))];
        let mut response =
            http::Response::new(StreamBody::new(futures::stream::iter(frames)).boxed());
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        response
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut client = http2(pair.client.outbound()).await;
    for _ in 0..3 {
        let request = Request::post("http://catalogue/shop.Catalogue/Get").header("te", "trailers");
        let request = request.header("content-type", "application/grpc");
        let body = http_body_util::Full::new(Bytes::from_static(b"call")).map_err(|n| match n {});
        let response = client.send_request(request.body(body.boxed()).unwrap()).await.unwrap();
        let answered = response.into_body().collect().await.unwrap();
        assert_eq!(answered.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(answered.to_bytes(), "call");
    }
    let grpc = ["request_protocol=\"grpc\"", "grpc_response_status=\"0\""];
    assert_eq!(pair.client.counted("istio_requests_total", &grpc), 3.0);
    assert_eq!(pair.server.counted("istio_requests_total", &grpc), 3.0);
}

#[tokio::test]
async fn bytes_pass_and_each_way_ends_on_its_own() {
    let application = Application::tcp(|mut stream| async move {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).await.unwrap();
        stream.write_all(&question).await.unwrap();
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut client = TcpStream::connect(pair.client.outbound()).await.unwrap();
    let question = vec![7; 1 << 20];
    client.write_all(&question).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, question);
    let tls = ["connection_security_policy=\"mutual_tls\""];
    assert_eq!(pair.server.counted("istio_tcp_connections_opened_total", &tls), 1.0);
    assert_eq!(pair.client.counted("istio_tcp_received_bytes_total", &tls), f64::from(1 << 20));
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_though_its_client_says_nothing() {
    let application = Application::tcp(|mut stream| async move {
        stream.write_all(b"220 ready\r\n").await.unwrap();
        drop(stream.read_u8().await);
    });
    let application = application.await;
    let pair = Pair::start(application.address);
    let mut client = TcpStream::connect(pair.client.outbound()).await.unwrap();
    let mut greeting = [0; 11];
    let heard = timeout(Duration::from_secs(10), client.read_exact(&mut greeting)).await;
    heard.expect("it is heard").unwrap();
}

#[tokio::test]
async fn an_upgrade_becomes_what_both_sides_agreed_on() {
    let application = upgrading().await;
    upgrade(&Pair::start(application.address).client).await;
}

#[tokio::test]
async fn a_server_that_does_not_read_makes_the_client_wait_and_no_one_else() {
    let application = sitting().await;
    let pair = Pair::start(application.address);
    let sent = sent_to_nobody(&pair.client).await;
    assert!(sent < 64 << 20, "{sent} bytes went somewhere");
}

#[tokio::test]
async fn a_large_body_arrives_whole_both_ways() {
    let application =
        Application::http(
            |request| async move { http::Response::new(request.into_body().boxed()) },
        );
    let application = application.await;
    let pair = Pair::start(application.address);
    let body = http_body_util::Full::new(Bytes::from(vec![1; 8 << 20])).map_err(|n| match n {});
    let request = Request::post("/").header("host", "a").body(body.boxed()).unwrap();
    let response = http1(pair.client.outbound()).await.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-length"], (8 << 20).to_string().as_str());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 8 << 20);
}

/// Asks through a client's proxy with `client` for a server that is `server` and should be
/// `catalogue`; tells the status and why the connection failed at either side.
async fn ask(
    client: proxy::identity::Identity,
    server: proxy::identity::Identity,
) -> (StatusCode, Proxy, Proxy) {
    let application = Application::mirror().await;
    let setup = Setup::new("catalogue").identity(server);
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Strict));
    let endpoints = vec![meshed(server.inbound(), "catalogue")];
    let client = Proxy::start(Setup::new("frontend").identity(client).with(service(endpoints)));
    let mut sender = http1(client.outbound()).await;
    let status = sender.send_request(get("/")).await.unwrap().status();
    (status, client, server)
}

#[tokio::test]
async fn a_client_of_a_foreign_authority_is_refused() {
    let (ours, foreign) = (Authority::fresh(), Authority::fresh());
    let client = foreign.identity_trusting("frontend", &[&ours]);
    let (status, _client, server) = ask(client, ours.identity("catalogue")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(server.counted("serin_proxy_events_total", &["refused_handshake"]) >= 1.0);
    assert_eq!(server.counted("istio_requests_total", &[]), 0.0);
}

#[tokio::test]
async fn a_server_of_a_foreign_authority_is_refused() {
    let (ours, foreign) = (Authority::fresh(), Authority::fresh());
    let server = foreign.identity_trusting("catalogue", &[&ours, &foreign]);
    let (status, client, server) = ask(ours.identity("frontend"), server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(client.counted("serin_proxy_events_total", &["refused_server"]) >= 1.0);
    assert_eq!(server.counted("istio_requests_total", &[]), 0.0);
}

#[tokio::test]
async fn a_server_of_the_mesh_that_is_not_the_one_expected_is_refused() {
    let ours = Authority::fresh();
    let (status, client, server) = ask(ours.identity("frontend"), ours.identity("payment")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(client.counted("serin_proxy_events_total", &["refused_server"]) >= 1.0);
    assert_eq!(server.counted("istio_requests_total", &[]), 0.0);
}

#[tokio::test]
async fn a_client_of_our_authority_with_an_identity_of_another_domain_is_refused() {
    let ours = Authority::fresh();
    let stranger: model::identity::SpiffeId =
        "spiffe://elsewhere/ns/shop/sa/frontend".parse().unwrap();
    let (chain, key) = ours.sign(&stranger);
    let client = proxy::identity::Identity::for_tests(id("frontend"), chain, key, trust(&[&ours]));
    let (status, _client, server) = ask(client, ours.identity("catalogue")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(server.counted("serin_proxy_events_total", &["refused_handshake"]) >= 1.0);
}

/// What a client without a proxy gets to read when it asks a pod that is strict or permissive.
async fn unmeshed(mtls: MtlsMode, first: &[u8]) -> (Vec<u8>, Proxy) {
    let application = Application::mirror().await;
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let server = Proxy::start(setup.serving(application.address, mtls));
    let mut client = TcpStream::connect(server.inbound()).await.unwrap();
    client.write_all(first).await.unwrap();
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer).await);
    (answer, server)
}

const FORGED: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
    x-forwarded-client-cert: URI=spiffe://forged\r\nx-serin-client-version: 2\r\n\r\n";

#[tokio::test]
async fn a_client_without_a_proxy_is_served_by_a_permissive_pod_and_what_it_claims_is_removed() {
    let (answer, server) = unmeshed(MtlsMode::Permissive, FORGED).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("GET / HTTP/1.1\nhost: a\n"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
    let plain = ["connection_security_policy=\"none\"", "reporter=\"destination\""];
    assert_eq!(server.counted("istio_requests_total", &plain), 1.0);
}

#[tokio::test]
async fn a_client_without_a_proxy_is_refused_by_a_strict_pod() {
    let (answer, server) = unmeshed(MtlsMode::Strict, FORGED).await;
    assert_eq!(answer, b"");
    assert_eq!(server.counted("serin_proxy_events_total", &["refused_plain"]), 1.0);
}

#[tokio::test]
async fn certificates_are_swapped_under_load_without_a_failed_request() {
    let application = Application::http(|request| async move { text(&describe(&request)) }).await;
    let (old, new) = (Authority::fresh(), Authority::fresh());
    let server = Setup::new("catalogue").identity(old.identity("catalogue"));
    let server = Proxy::start(server.serving(application.address, MtlsMode::Strict));
    let endpoints = vec![meshed(server.inbound(), "catalogue")];
    let client = Setup::new("frontend").identity(old.identity("frontend"));
    let client = Proxy::start(client.with(service(endpoints)));
    let (stop, outbound) = (Arc::new(AtomicBool::new(false)), client.outbound());
    let load = spawn(load(outbound, Arc::clone(&stop)));
    // As a rotation does: trust both, then certificates of the new root, then trust it alone.
    let (client_id, server_id) = (&client.identity, &server.identity);
    for (signer, trusted) in
        [(&old, vec![&old, &new]), (&new, vec![&old, &new]), (&new, vec![&new])]
    {
        for (identity, name) in [(client_id, "frontend"), (server_id, "catalogue")] {
            let (chain, key) = signer.sign(&id(name));
            identity.swap(id(name), chain, key, Arc::new(trust(&trusted)));
            fresh_requests(outbound, 20).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(load.await.unwrap() > 0);
    assert_eq!(server.counted("serin_proxy_events_total", &["refused_handshake"]), 0.0);
}

/// Requests one after the other on one connection, until told to stop; says how many succeeded.
async fn load(to: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut client = http1(to).await;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let response = client.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        words(response).await;
        count += 1;
    }
    count
}

/// Connections of their own kind: each upgrade attempt makes a handshake of its own.
async fn fresh_requests(to: SocketAddr, count: usize) {
    for _ in 0..count {
        let request = Request::get("/").header("host", "a").header("upgrade", "websocket");
        let request = request.header("connection", "upgrade").body(empty()).unwrap();
        let response = http1(to).await.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        words(response).await;
    }
}

#[tokio::test]
async fn the_status_port_of_a_meshed_pod_is_asked_in_plain_text_by_its_peers() {
    let status = SocketAddr::from(([127, 9, 8, 7], 15020));
    let listener = tokio::net::TcpListener::bind(status).await.unwrap();
    let answers = spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 3];
        socket.read_exact(&mut head).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        head
    });
    let peer = Workload { address: status.ip(), ..peer("catalogue") };
    let resources = [
        (Key::Address(status), Resource::Destination(Destination::Workload)),
        (Key::Workload(status.ip()), Resource::Workload(Arc::new(peer))),
    ];
    let proxy = Proxy::start(Setup::new("prometheus").with(resources).going_to(status));
    let response = http1(proxy.outbound()).await.send_request(get("/metrics")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(&answers.await.unwrap(), b"GET");
}

#[tokio::test]
async fn a_port_that_a_meshed_pod_excludes_is_spoken_to_in_plain_text_and_no_other() {
    for (excluded, status) in [(true, StatusCode::OK), (false, StatusCode::SERVICE_UNAVAILABLE)] {
        let application = Application::mirror().await;
        let address = application.address;
        let plain_ports = excluded.then_some(address.port()).into_iter().collect();
        let peer = Workload { plain_ports, ..peer("catalogue") };
        let resources = [
            (Key::Address(address), Resource::Destination(Destination::Workload)),
            (Key::Workload(address.ip()), Resource::Workload(Arc::new(peer))),
        ];
        let proxy = Proxy::start(Setup::new("frontend").with(resources).going_to(address));
        let response = http1(proxy.outbound()).await.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn tls_of_the_applications_own_passes_through_a_permissive_pod() {
    let application = Application::tcp(|mut stream| async move {
        let mut bytes = [0; 11];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    });
    let application = application.await;
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    let server = Proxy::start(setup.serving(application.address, MtlsMode::Permissive));
    let mut client = TcpStream::connect(server.inbound()).await.unwrap();
    // A record that begins like TLS and carries nothing of ours.
    let record = [22, 3, 1, 0, 6, 2, 0, 0, 2, 0, 0];
    client.write_all(&record).await.unwrap();
    let mut echo = [0; 11];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, record);
}

#[tokio::test]
async fn every_resumed_session_proves_its_client_again() {
    let application = Application::mirror().await;
    let pair = Pair::start(application.address);
    for _ in 0..5 {
        // An upgrade has a connection, and so a handshake, of its own.
        let request = Request::get("/").header("host", "a").header("upgrade", "websocket");
        let request = request.header("connection", "upgrade").body(empty()).unwrap();
        let mut client = http1(pair.client.outbound()).await;
        let words = words(client.send_request(request).await.unwrap()).await;
        assert!(words.contains(&format!("URI={}", id("frontend"))), "{words}");
    }
}

fn turn_strict(server: &Proxy, application: &Application) {
    let strict = inbound("catalogue", application.address, MtlsMode::Strict, Protocol::Detect);
    server.feed().push(Key::Inbound, strict);
}

fn permissive(application: &Application) -> Proxy {
    let setup = Setup::new("catalogue").identity(Authority::fresh().identity("catalogue"));
    Proxy::start(setup.serving(application.address, MtlsMode::Permissive))
}

#[tokio::test]
async fn requests_in_plain_text_end_when_the_workload_becomes_strict() {
    let application = Application::mirror().await;
    let server = permissive(&application);
    let mut idle = TcpStream::connect(server.inbound()).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    turn_strict(&server, &application);
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(10), idle.read_to_end(&mut rest)).await;
    ended.expect("it ends").unwrap();
}

#[tokio::test]
async fn bytes_in_plain_text_are_cut_when_the_workload_becomes_strict() {
    let application = Application::tcp(|mut stream| async move {
        let mut bytes = [0; 3];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        drop(stream.read(&mut bytes).await);
    });
    let application = application.await;
    let server = permissive(&application);
    let mut client = TcpStream::connect(server.inbound()).await.unwrap();
    client.write_all(&[0, 1, 2]).await.unwrap();
    let mut echo = [0; 3];
    client.read_exact(&mut echo).await.unwrap();
    turn_strict(&server, &application);
    let ended = timeout(Duration::from_secs(10), client.read(&mut echo)).await.expect("it ends");
    assert!(ended.is_err(), "a cut is no orderly end: {ended:?}");
    assert_eq!(server.counted("serin_proxy_events_total", &["refused_plain"]), 1.0);
}

/// A client that comes to a port of `protocol` and says nothing before the workload is strict.
async fn silent_until_strict(
    server: &Proxy,
    application: &Application,
    protocol: Protocol,
) -> TcpStream {
    let mode = |mtls| inbound("catalogue", application.address, mtls, protocol);
    server.feed().push(Key::Inbound, mode(MtlsMode::Permissive));
    let mut client = TcpStream::connect(server.inbound()).await.unwrap();
    // Longer than a client that may speak last is waited for.
    assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
    server.feed().push(Key::Inbound, mode(MtlsMode::Strict));
    client
}

#[tokio::test]
async fn who_was_silent_when_the_workload_became_strict_is_refused_when_it_speaks() {
    for protocol in [Protocol::Http, Protocol::Detect, Protocol::Tcp] {
        let application = Application::mirror().await;
        let server = permissive(&application);
        let mut client = silent_until_strict(&server, &application, protocol).await;
        let mut answer = Vec::new();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let ended = timeout(Duration::from_secs(10), client.read_to_end(&mut answer)).await;
        assert!(ended.expect("it ends").is_err(), "{protocol:?}: {answer:?}");
        assert_eq!(answer, b"", "{protocol:?}");
        assert_eq!(server.counted("serin_proxy_events_total", &["refused_plain"]), 1.0);
    }
}

#[tokio::test]
async fn a_peer_that_was_silent_when_the_workload_became_strict_is_let_in() {
    for protocol in [Protocol::Http, Protocol::Detect] {
        let (authority, application) = (Authority::fresh(), Application::mirror().await);
        let setup = Setup::new("catalogue").identity(authority.identity("catalogue"));
        let server = Proxy::start(setup.serving(application.address, MtlsMode::Permissive));
        let silent = silent_until_strict(&server, &application, protocol).await;
        let silent = Arc::new(Mutex::new(Some(silent)));
        let way = Application::tcp(move |mut peer| {
            // There is one connection, and one is asked for.
            let mut silent = silent.lock().unwrap().take().unwrap();
            async move { drop(copy_bidirectional(&mut peer, &mut silent).await) }
        });
        let way = way.await;
        let endpoints = vec![meshed(way.address, "catalogue")];
        let setup = Setup::new("frontend").identity(authority.identity("frontend"));
        let client = Proxy::start(setup.with(service(endpoints)));
        let mut asking = http1(client.outbound()).await;
        let response = asking.send_request(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{protocol:?}");
    }
}
