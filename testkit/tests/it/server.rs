//! Claims about `testkit server`.

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Channel, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use testkit::server::{Described, Received, admin};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::process::{DEADLINE, Process};

const SERVER: [&str; 5] = ["server", "--port", "0", "--bind", "127.0.0.1"];

fn with<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    SERVER.iter().copied().chain(extra.iter().copied()).collect()
}

fn client(h2: bool) -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(h2).build_http()
}

fn request(method: Method, url: String, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(url).body(Full::from(body)).unwrap()
}

async fn fetch(h2: bool, request: Request<Full<Bytes>>) -> (Response<Bytes>, Option<HeaderMap>) {
    let (head, body) =
        timeout(DEADLINE, client(h2).request(request)).await.unwrap().unwrap().into_parts();
    let body = timeout(DEADLINE, body.collect()).await.unwrap().unwrap();
    let trailers = body.trailers().cloned();
    (Response::from_parts(head, body.to_bytes()), trailers)
}

#[tokio::test]
async fn a_request_is_described_as_it_arrived() {
    let (_server, address) =
        Process::serving(&with(&["--name", "web", "--version", "v3", "--pod", "web-1"])).await;
    for (h2, protocol, version) in
        [(false, "HTTP/1.1", Version::HTTP_11), (true, "HTTP/2.0", Version::HTTP_2)]
    {
        let mut request = request(Method::PUT, format!("http://{address}/a?b=c"), "");
        request.headers_mut().append("x-twice", HeaderValue::from_static("1"));
        request.headers_mut().append("x-twice", HeaderValue::from_static("2"));
        let (response, _) = fetch(h2, request).await;
        assert_eq!(response.headers()["x-version"], "v3");
        assert_eq!(response.version(), version);
        let seen: Described = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((&*seen.service, &*seen.version, &*seen.pod), ("web", "v3", "web-1"));
        assert_eq!((&*seen.method, &*seen.path, &*seen.protocol), ("PUT", "/a?b=c", protocol));
        assert_eq!(seen.headers["x-twice"], ["1", "2"]);
        assert!(seen.peer.starts_with("127.0.0.1:"));
    }
}

#[tokio::test]
async fn an_upload_is_counted_and_hashed() {
    let (_server, address) = Process::serving(&SERVER).await;
    let (response, _) =
        fetch(false, request(Method::POST, format!("http://{address}/upload"), "abc")).await;
    let received: Received = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(received.bytes, 3);
    // The published test vector of SHA-256 for "abc".
    assert!(received.sha256.starts_with("ba7816bf8f01cfea"));
}

#[tokio::test]
async fn a_download_has_the_length_that_was_asked_for() {
    let (_server, address) = Process::serving(&SERVER).await;
    for size in [0, 1, 200_000] {
        let url = format!("http://{address}/download?bytes={size}");
        let (response, _) = fetch(true, request(Method::GET, url, "")).await;
        assert_eq!(response.body().len(), size);
    }
}

#[tokio::test]
async fn trailers_follow_the_chunks() {
    let (_server, address) = Process::serving(&SERVER).await;
    for h2 in [false, true] {
        let mut request = request(Method::GET, format!("http://{address}/trailers"), "");
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let (response, trailers) = fetch(h2, request).await;
        assert_eq!(response.body().as_ref(), b"one\ntwo\nthree\n");
        assert_eq!(trailers.unwrap()["x-chunks"], "3");
    }
}

#[tokio::test]
async fn a_websocket_echoes_messages() {
    let (_server, address) = Process::serving(&SERVER).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0, 1, 2])] {
        socket.send(message.clone()).await.unwrap();
        let answer = timeout(DEADLINE, socket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer, message);
    }
}

#[tokio::test]
async fn a_call_hands_the_trace_on_and_nothing_else() {
    let (_server, address) = Process::serving(&SERVER).await;
    let url = format!("http://{address}/call?url=http%3A%2F%2F{address}%2Fother");
    let mut request = request(Method::GET, url, "");
    request.headers_mut().insert("traceparent", HeaderValue::from_static("00-abc"));
    request.headers_mut().insert("x-own", HeaderValue::from_static("secret"));
    let (response, _) = fetch(false, request).await;
    let seen: Described = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(seen.path, "/other");
    assert_eq!(seen.header("traceparent"), Some("00-abc"));
    assert_eq!(seen.header("x-own"), None);
}

#[tokio::test]
async fn the_error_ratio_changes_while_it_runs_and_probes_stay_well() {
    let (mut server, address) = Process::serving(&with(&["--admin-port", "0"])).await;
    // The admin port is announced before the others are.
    let (admin, address) = (address, server.next::<testkit::serve::Listening>().await.listening);
    let root = || request(Method::GET, format!("http://{address}/"), "");
    assert_eq!(fetch(false, root()).await.0.status(), 200);
    let change = request(Method::POST, format!("http://{admin}/admin/error-ratio"), "1");
    let (state, _) = fetch(false, change).await;
    let state: admin::State = serde_json::from_slice(state.body()).unwrap();
    assert_eq!(state, admin::State { error_ratio: 1.0, requests: 1 });
    assert_eq!(fetch(false, root()).await.0.status(), 500);
    let probe = request(Method::GET, format!("http://{address}/healthz"), "");
    assert_eq!(fetch(false, probe).await.0.status(), 200);
}

#[tokio::test]
async fn a_server_told_to_crash_does_so_in_the_middle_of_a_request() {
    let (server, address) = Process::serving(&with(&["--crash-after-requests", "1"])).await;
    let root = || request(Method::GET, format!("http://{address}/"), "");
    assert_eq!(fetch(false, root()).await.0.status(), 200);
    assert!(client(false).request(root()).await.is_err());
    assert_eq!(server.exit_code().await, 1);
}

#[tokio::test]
async fn a_stopping_server_finishes_a_request_that_it_has_begun() {
    let (server, address) = Process::serving(&SERVER).await;
    for h2 in [false, true] {
        let (mut sender, body) = Channel::<Bytes>::new(4);
        let client = Client::builder(TokioExecutor::new()).http2_only(h2).build_http();
        let url = format!("http://{address}/echo");
        let request = Request::post(url).body(body).unwrap();
        sender.send_data(Bytes::from_static(b"before ")).await.unwrap();
        let mut answer = client.request(request).await.unwrap().into_body();
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "before ");
        if h2 {
            server.stop_listening(address).await;
        }
        sender.send_data(Bytes::from_static(b"after")).await.unwrap();
        drop(sender);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "after");
    }
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn a_stopping_server_answers_the_first_request_of_whom_it_let_in() {
    let (server, address) = Process::serving(&SERVER).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    server.stop_listening(address).await;
    silent.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, silent.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn a_stopping_server_cuts_what_outlasts_its_patience_and_says_so() {
    let (mut server, address) = Process::serving(&with(&["--patience", "50ms"])).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws");
    let (_socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    server.terminate().await;
    assert_eq!(server.next::<testkit::serve::Drained>().await.cut, 1);
    assert_ne!(server.exit_code().await, 0);
}
