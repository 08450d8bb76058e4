//! Outbound traffic to what has no proxy of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use lab::{HEAD_LIMIT, Pair, Proxy, SERVICE, Setup, mesh, service};
use model::{
    endpoint::Endpoint,
    inbound::MtlsMode,
    key::Key,
    mesh::OutboundPolicy,
    resource::{Destination, Resource},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::talk::{
    Application, Body, describe, empty, full, get, http1, http2, serve, spawn, text, words,
};

async fn before(application: &Application) -> Proxy {
    let endpoints = vec![Endpoint::plain(application.address)];
    Proxy::start(Setup::new("frontend").with(service(endpoints)))
}

#[tokio::test]
async fn requests_of_http1_arrive_as_they_were_and_share_a_connection() {
    let application = Application::mirror().await;
    let proxy = before(&application).await;
    let mut client = http1(proxy.outbound()).await;
    for _ in 0..3 {
        let request = Request::get("/a?b=c").header("host", "catalogue").header("x-mine", "1");
        let response = client.send_request(request.body(empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let words = words(response).await;
        assert_eq!(words, "GET /a?b=c HTTP/1.1\nhost: catalogue\nx-mine: 1\n");
    }
    assert_eq!(proxy.counted("istio_requests_total", &["response_code=\"200\""]), 3.0);
}

#[tokio::test]
async fn the_metrics_of_a_meshed_pod_are_fetched_as_from_outside_the_mesh() {
    // Port 15020 of an address that nothing else on this machine listens at.
    let page: SocketAddr = "127.150.20.1:15020".parse().unwrap();
    let listener = TcpListener::bind(page).await.unwrap();
    let serving = spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).await.unwrap();
        stream.write_all(&first).await.unwrap();
    });
    let found = (Key::Address(page), Resource::Destination(Destination::Workload));
    let proxy = Proxy::start(Setup::new("frontend").going_to(page).with([found]));
    let mut stream = TcpStream::connect(proxy.outbound()).await.unwrap();
    stream.write_all(b"G").await.unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "G", "the first byte was not that of a TLS handshake");
    serving.await.unwrap();
}

#[tokio::test]
async fn requests_of_http2_stay_http2_with_their_trailers() {
    let application = Application::http(|request| async move {
        assert_eq!(request.version(), http::Version::HTTP_2);
        let sent = request.into_body().collect().await.unwrap();
        let mut trailers = sent.trailers().cloned().unwrap();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = [Ok(Frame::data(sent.to_bytes())), Ok(Frame::trailers(trailers))];
        http::Response::new(StreamBody::new(futures::stream::iter(frames)).boxed())
    });
    let application = application.await;
    let proxy = before(&application).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    let frames = [Ok(Frame::data(Bytes::from_static(b"hello"))), Ok(Frame::trailers(trailers))];
    let body: Body = StreamBody::new(futures::stream::iter(frames)).boxed();
    let request = Request::post("http://catalogue/call").header("content-type", "application/grpc");
    let request = request.header("te", "trailers").body(body).unwrap();
    let response = http2(proxy.outbound()).await.send_request(request).await.unwrap();
    let answered = response.into_body().collect().await.unwrap();
    assert_eq!(answered.trailers().unwrap()["x-sum"], "7");
    assert_eq!(answered.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(answered.to_bytes(), "hello");
    let grpc = ["request_protocol=\"grpc\"", "grpc_response_status=\"0\""];
    assert_eq!(proxy.counted("istio_requests_total", &grpc), 1.0);
}

#[tokio::test]
async fn a_connection_of_http2_carries_any_number_of_streamed_bodies() {
    let application = Application::http(|request| async move {
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        http::Response::new(StreamBody::new(futures::stream::iter([Ok(Frame::data(sent))])).boxed())
    });
    let application = application.await;
    let proxy = before(&application).await;
    let mut client = http2(proxy.outbound()).await;
    // A server that counts empty frames closes the connection after a hundred.
    for number in 0..250 {
        let frames = [Ok(Frame::data(Bytes::from_static(b"hello")))];
        let body: Body = StreamBody::new(futures::stream::iter(frames)).boxed();
        let request = Request::post("http://catalogue/").body(body).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "request {number}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
}

#[tokio::test]
async fn bytes_pass_and_each_way_ends_on_its_own() {
    let application = Application::tcp(|mut stream| async move {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).await.unwrap();
        stream.write_all(&question).await.unwrap();
        stream.write_all(b", you said").await.unwrap();
    });
    let application = application.await;
    let proxy = before(&application).await;
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client.write_all(&[0, 1, 2]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"\0\x01\x02, you said");
    assert_eq!(proxy.counted("istio_tcp_connections_opened_total", &[]), 1.0);
    assert_eq!(proxy.counted("istio_tcp_received_bytes_total", &[]), 3.0);
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_though_its_client_says_nothing() {
    let application = Application::tcp(|mut stream| async move {
        stream.write_all(b"220 ready\r\n").await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
    });
    let application = application.await;
    let proxy = before(&application).await;
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    let mut greeting = [0; 11];
    let heard = timeout(Duration::from_secs(10), client.read_exact(&mut greeting)).await;
    heard.expect("it is heard").unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
    client.write_all(b"EHLO").await.unwrap();
    let mut echo = [0; 4];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"EHLO");
}

#[tokio::test]
async fn a_client_that_takes_its_time_still_speaks_http() {
    let application = Application::mirror().await;
    let proxy = before(&application).await;
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    // Longer than a server is given to speak first.
    assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(proxy.counted("istio_requests_total", &["response_code=\"200\""]), 1.0);
}

/// An application that takes any upgrade and echoes what follows.
pub(crate) async fn upgrading() -> Application {
    Application::http(|mut request| async move {
        assert_eq!(request.headers()["connection"], "upgrade");
        let upgrade = request.headers()["upgrade"].clone();
        let upgraded = hyper::upgrade::on(&mut request);
        spawn(async move {
            let mut io = TokioIo::new(upgraded.await.unwrap());
            let mut word = [0; 5];
            io.read_exact(&mut word).await.unwrap();
            io.write_all(&word).await.unwrap();
        });
        let mut response = http::Response::new(empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", upgrade);
        response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
        response
    })
    .await
}

pub(crate) async fn upgrade(proxy: &Proxy) {
    let request = Request::get("/chat").header("host", "a").header("upgrade", "websocket");
    let request = request.header("connection", "Upgrade").body(empty()).unwrap();
    let response = http1(proxy.outbound()).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "websocket");
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    io.write_all(b"he").await.unwrap();
    // What is said now is no head, and may take longer than one.
    assert!(timeout(2 * HEAD_LIMIT, io.read_u8()).await.is_err());
    io.write_all(b"llo").await.unwrap();
    let mut echo = [0; 5];
    io.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
}

#[tokio::test]
async fn an_upgrade_becomes_what_both_sides_agreed_on() {
    let application = upgrading().await;
    upgrade(&before(&application).await).await;
}

#[tokio::test]
async fn an_upgrade_that_the_server_does_not_take_is_an_ordinary_answer() {
    let application = Application::mirror().await;
    let proxy = before(&application).await;
    let request = Request::get("/").header("host", "a").header("upgrade", "websocket");
    let request = request.header("connection", "Upgrade").body(empty()).unwrap();
    let response = http1(proxy.outbound()).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn bodies_stream_both_ways_at_the_same_time() {
    let application =
        Application::http(
            |request| async move { http::Response::new(request.into_body().boxed()) },
        );
    let application = application.await;
    let proxy = before(&application).await;
    let (sender, frames) = mpsc::channel::<Bytes>(1);
    let body = futures::StreamExt::map(ReceiverStream::new(frames), |data| Ok(Frame::data(data)));
    let request = Request::post("http://a/").body(StreamBody::new(body).boxed()).unwrap();
    let response = http2(proxy.outbound()).await.send_request(request).await.unwrap();
    let mut answer = response.into_body();
    for word in ["one", "two", "three"] {
        sender.send(Bytes::from_static(word.as_bytes())).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    drop(sender);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "");
}

/// How much a client can send of a body that nobody reads.
pub(crate) async fn sent_to_nobody(proxy: &Proxy) -> usize {
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1073741824\r\n\r\n")
        .await
        .unwrap();
    let piece = vec![0; 64 * 1024];
    let mut sent = 0;
    while sent < 1 << 30 {
        match timeout(Duration::from_millis(500), client.write_all(&piece)).await {
            Ok(written) => written.unwrap(),
            Err(_stalled) => return sent,
        }
        sent += piece.len();
    }
    sent
}

/// An application that takes requests and reads nothing of their bodies.
pub(crate) async fn sitting() -> Application {
    Application::http(|request| async move {
        std::future::pending::<()>().await;
        drop(request);
        text("never")
    })
    .await
}

#[tokio::test]
async fn a_server_that_does_not_read_makes_the_client_wait() {
    let application = sitting().await;
    let sent = sent_to_nobody(&before(&application).await).await;
    assert!(sent < 64 << 20, "{sent} bytes went somewhere");
}

#[tokio::test]
async fn what_the_mesh_does_not_know_passes_through() {
    let application = Application::mirror().await;
    let setup = Setup::new("frontend").going_to(application.address);
    let proxy = Proxy::start(setup);
    proxy.feed().absent(Key::Address(application.address));
    let response = http1(proxy.outbound()).await.send_request(get("/")).await.unwrap();
    assert!(words(response).await.starts_with("GET / HTTP/1.1"));
    assert_eq!(proxy.counted("istio_tcp_connections_opened_total", &["PassthroughCluster"]), 1.0);
}

#[tokio::test]
async fn what_the_mesh_does_not_know_is_refused_where_only_what_is_registered_is_allowed() {
    let application = Application::mirror().await;
    let setup = Setup::new("frontend").going_to(application.address);
    let proxy = Proxy::start(setup.with([(Key::Mesh, mesh(OutboundPolicy::RegistryOnly))]));
    proxy.feed().absent(Key::Address(application.address));
    refused(&proxy, "refused_unknown").await;
}

#[tokio::test]
async fn an_address_of_the_mesh_that_cannot_be_looked_up_is_never_spoken_to_in_plain_text() {
    let proxy = Proxy::start(Setup::new("frontend").going_to(SERVICE));
    refused(&proxy, "refused_undiscovered").await;
}

#[tokio::test]
async fn an_address_of_the_mesh_where_nothing_is_known_is_never_spoken_to_in_plain_text() {
    let application = Application::mirror().await;
    let address = application.address;
    let pod = (Key::Address(address), Resource::Destination(Destination::Workload));
    let proxy = Proxy::start(Setup::new("frontend").with([pod]).going_to(address));
    proxy.feed().absent(Key::Workload(address.ip()));
    refused(&proxy, "refused_absent").await;
}

/// A client's connection is reset, and the reason counted.
pub(crate) async fn refused(proxy: &Proxy, reason: &str) {
    let mut answer = Vec::new();
    // Any step may be the one that meets the reset.
    let asked = async {
        let mut client = TcpStream::connect(proxy.outbound()).await?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        client.read_to_end(&mut answer).await
    };
    assert!(asked.await.is_err());
    assert_eq!(answer, b"");
    assert_eq!(proxy.counted("serin_proxy_events_total", &[reason]), 1.0);
}

#[tokio::test]
async fn a_service_without_endpoints_says_so() {
    let proxy = Proxy::start(Setup::new("frontend").with(service(Vec::new())));
    let response = http1(proxy.outbound()).await.send_request(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(words(response).await.contains("no endpoint is ready"));
    assert_eq!(proxy.counted("istio_requests_total", &["response_flags=\"UH\""]), 1.0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_replaced_by_another() {
    let application = Application::http(|request| async move {
        let words = describe(&request);
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        text(&format!("{words}{}", String::from_utf8_lossy(&sent)))
    });
    let application = application.await;
    let gone = Application::mirror().await.address;
    let endpoints = vec![Endpoint::plain(gone), Endpoint::plain(application.address)];
    let proxy = Proxy::start(Setup::new("frontend").with(service(endpoints)));
    let mut client = http1(proxy.outbound()).await;
    for _ in 0..10 {
        let request = Request::post("/").header("host", "a").body(full("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(words(response).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_client_that_does_not_end_its_requests_head_is_cut_off() {
    let application = Application::mirror().await;
    let proxy = before(&application).await;
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(10 * HEAD_LIMIT, client.read_to_end(&mut answer)).await;
    ended.expect("it is not waited for").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    assert_eq!(proxy.counted("istio_requests_total", &[]), 0.0);
}

#[tokio::test]
async fn an_idle_connection_is_kept() {
    let application = Application::mirror().await;
    let proxy = before(&application).await;
    let mut client = http1(proxy.outbound()).await;
    words(client.send_request(get("/")).await.unwrap()).await;
    let closed = std::future::poll_fn(|context| match client.poll_ready(context) {
        Poll::Ready(Err(_)) => Poll::Ready(()),
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
    });
    assert!(timeout(2 * HEAD_LIMIT, closed).await.is_err());
    assert_eq!(client.send_request(get("/")).await.unwrap().status(), StatusCode::OK);
}

/// How many connections an application got for ten requests, one after the other, each with an
/// answer in `frames` frames.
async fn connections_for_ten_requests(mtls: bool, frames: usize) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let application = Application::tcp(move |stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        serve(stream, Arc::new(move |_| async move { pieces(frames) }))
    });
    let application = application.await;
    let (plain, pair);
    let outbound = if mtls {
        pair = Pair::start(application.address);
        pair.client.outbound()
    } else {
        plain = before(&application).await;
        plain.outbound()
    };
    let mut client = http1(outbound).await;
    for _ in 0..10 {
        let response = client.send_request(get("/")).await.unwrap();
        assert_eq!(words(response).await, "piece".repeat(frames));
    }
    count.load(Ordering::Relaxed)
}

fn pieces(count: usize) -> http::Response<Body> {
    let frames = (0..count).map(|_| Ok(Frame::data(Bytes::from_static(b"piece"))));
    http::Response::new(StreamBody::new(futures::stream::iter(frames)).boxed())
}

#[tokio::test]
async fn an_application_is_asked_again_on_the_connection_it_answered_on() {
    for mtls in [false, true] {
        for frames in [0, 1, 5] {
            assert_eq!(connections_for_ten_requests(mtls, frames).await, 1, "{mtls} {frames}");
        }
    }
}

#[tokio::test]
async fn a_caller_of_grpc_is_answered_in_its_own_words() {
    let proxy = Proxy::start(Setup::new("frontend").with(service(Vec::new())));
    let request = Request::post("http://catalogue/call").header("content-type", "application/grpc");
    let request = request.body(empty()).unwrap();
    let response = http2(proxy.outbound()).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn several_workers_serve_as_one() {
    let application = Application::mirror().await;
    let endpoints = vec![Endpoint::plain(application.address)];
    let setup = Setup { workers: 3, ..Setup::new("frontend").with(service(endpoints)) };
    let proxy = Proxy::start(setup);
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(http1(proxy.outbound()).await);
    }
    for client in &mut clients {
        words(client.send_request(get("/")).await.unwrap()).await;
    }
    assert_eq!(proxy.counted("istio_requests_total", &["response_code=\"200\""]), 30.0);
}

#[tokio::test]
async fn connections_of_the_pods_own_leave_room_for_those_from_elsewhere() {
    let application = Application::mirror().await;
    let setup = Setup::new("frontend").serving(application.address, MtlsMode::Permissive);
    let setup = setup.with(service(vec![Endpoint::plain(application.address)]));
    let proxy = Proxy::start(Setup { connections: 1, ..setup });
    let mut first = http1(proxy.outbound()).await;
    words(first.send_request(get("/")).await.unwrap()).await;
    // There is no place for another, and this one waits for it.
    let mut waiting = http1(proxy.outbound()).await;
    let mut visitor = http1(proxy.inbound()).await;
    words(visitor.send_request(get("/")).await.unwrap()).await;
    assert!(proxy.counted("serin_proxy_events_total", &["outbound_full"]) >= 1.0);
    drop(first);
    words(waiting.send_request(get("/")).await.unwrap()).await;
}
