//! Claims about probes, against applications on real sockets.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use runtime::tasks::Tasks;
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATH: &str = "/app/main/readiness";

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((POD, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn verdict(probe: &str) -> Verdict {
    let probes: Probes = format!("{{{PATH:?}: {probe}}}").parse().unwrap();
    probes.ask(PATH, POD, Some("kube-probe/1.35")).await.unwrap()
}

/// Answers one request with `answer` and gives back what was asked.
async fn answer_once<S>(mut stream: S, answer: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8(asked).unwrap().to_ascii_lowercase()
}

/// An application that answers once; what it was asked comes out of the receiver, with who asked.
async fn application(
    tasks: &Tasks,
    answer: &'static str,
) -> (u16, oneshot::Receiver<(IpAddr, String)>) {
    let (listener, port) = listener().await;
    let (tell, told) = oneshot::channel();
    tasks.spawn("application", async move {
        let (stream, peer) = listener.accept().await.unwrap();
        drop(tell.send((peer.ip(), answer_once(stream, answer).await)));
    });
    (port, told)
}

async fn http_status(answer: &'static str) -> u16 {
    let tasks = Tasks::new();
    let (port, _) = application(&tasks, answer).await;
    verdict(&format!(r#"{{"kind": "http", "port": {port}, "path": "/healthz"}}"#))
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn the_status_of_the_application_is_what_kubelet_sees() {
    assert_eq!(http_status("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await, 200);
    assert_eq!(http_status("HTTP/1.1 204 No Content\r\n\r\n").await, 204);
    assert_eq!(http_status("HTTP/1.1 404 Not Found\r\n\r\n").await, 404);
    assert_eq!(http_status("HTTP/1.1 503 Busy\r\n\r\n").await, 503);
}

#[tokio::test]
async fn a_redirection_is_a_success_and_is_not_followed() {
    assert_eq!(http_status("HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\n").await, 200);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_failure() {
    assert_eq!(http_status("SSH-2.0-OpenSSH\r\n").await, 503);
}

#[tokio::test]
async fn the_application_sees_kubelets_request_from_the_proxys_address() {
    let tasks = Tasks::new();
    let (port, asked) = application(&tasks, "HTTP/1.1 200 OK\r\n\r\n").await;
    let headers = r#"{"Host": "shop.example", "X-Probe": "1"}"#;
    let probe = format!(
        r#"{{"kind": "http", "port": {port}, "path": "healthz?a=b", "headers": {headers}}}"#
    );
    assert_eq!(verdict(&probe).await.status, StatusCode::OK);
    let (peer, asked) = asked.await.unwrap();
    assert_eq!(peer, IpAddr::V4(ports::TO_APPLICATION_V4));
    assert!(asked.starts_with("get /healthz?a=b http/1.1\r\n"), "{asked}");
    for line in ["host: shop.example", "x-probe: 1", "user-agent: kube-probe/1.35"] {
        assert!(asked.contains(line), "{line} is not in {asked}");
    }
}

#[tokio::test]
async fn an_application_that_does_not_listen_fails_its_probe() {
    let (listener, port) = listener().await;
    drop(listener);
    for kind in ["http", "tcp", "grpc"] {
        let verdict = verdict(&format!(r#"{{"kind": "{kind}", "port": {port}}}"#)).await;
        assert_eq!(verdict.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(verdict.reason.contains("refused"), "{}", verdict.reason);
    }
}

#[tokio::test]
async fn an_application_that_says_nothing_fails_its_probe_in_time() {
    let (_listener, port) = listener().await;
    let verdict =
        verdict(&format!(r#"{{"kind": "http", "port": {port}, "timeoutSeconds": 1}}"#)).await;
    assert_eq!(verdict.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_port_that_accepts_passes_a_tcp_probe() {
    let (_listener, port) = listener().await;
    let verdict = verdict(&format!(r#"{{"kind": "tcp", "port": {port}}}"#)).await;
    assert_eq!(verdict.status, StatusCode::OK);
}

#[tokio::test]
async fn an_https_probe_takes_any_certificate() {
    let (listener, port) = listener().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["elsewhere".to_owned()]).unwrap().self_signed(&key);
    let config = rustls::ServerConfig::builder_with_provider(runtime::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.unwrap().der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let tasks = Tasks::new();
    tasks.spawn("application", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        answer_once(stream, "HTTP/1.1 200 OK\r\n\r\n").await;
    });
    let probe = format!(r#"{{"kind": "http", "port": {port}, "path": "/", "scheme": "HTTPS"}}"#);
    assert_eq!(verdict(&probe).await.status, StatusCode::OK);
}

/// A gRPC server whose health service answers `message` and `status`.
async fn health_service(tasks: &Tasks, message: &'static [u8], status: &'static str) -> u16 {
    let (listener, port) = listener().await;
    tasks.spawn("application", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            let frames = [Frame::data(Bytes::from_static(message)), Frame::trailers(trailers)];
            let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
            Ok::<_, Infallible>(Response::new(body))
        });
        let connection = http2::Builder::new(TokioExecutor::new());
        drop(connection.serve_connection(TokioIo::new(stream), service).await);
    });
    port
}

async fn grpc_status(message: &'static [u8], status: &'static str) -> (StatusCode, String) {
    let tasks = Tasks::new();
    let port = health_service(&tasks, message, status).await;
    let probe = format!(r#"{{"kind": "grpc", "port": {port}, "service": "shop.Catalogue"}}"#);
    let Verdict { status, reason } = verdict(&probe).await;
    (status, reason)
}

#[tokio::test]
async fn a_grpc_probe_passes_only_if_the_service_serves() {
    assert_eq!(grpc_status(&[0, 0, 0, 0, 2, 8, 1], "0").await.0, StatusCode::OK);
    for (message, status, why) in [
        (&[0, 0, 0, 0, 2, 8, 2][..], "0", "serving status 2"),
        (&[0, 0, 0, 0, 0], "0", "serving status 0"),
        (&[], "12", "gRPC status 12"),
        (&[], "0", "nothing that is a health status"),
    ] {
        let (status, reason) = grpc_status(message, status).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(reason.contains(why), "{reason}");
    }
}

#[tokio::test]
async fn there_is_no_probe_under_another_path() {
    assert_eq!(Probes::default().ask(PATH, POD, None).await, None);
}

#[test]
fn what_the_webhook_writes_is_understood() {
    let probes: Probes = r#"{
        "/app/main/readiness": {"kind": "http", "port": 8080, "path": "/healthz", "scheme": "HTTP",
            "headers": {"Host": "x"}, "timeoutSeconds": 1},
        "/app/main/liveness": {"kind": "tcp", "port": 8080, "timeoutSeconds": 3},
        "/app/main/startup": {"kind": "grpc", "port": 9090, "service": "x"}
    }"#
    .parse()
    .unwrap();
    let paths: Vec<_> = probes.paths().collect();
    assert_eq!(paths, ["/app/main/liveness", "/app/main/readiness", "/app/main/startup"]);
    assert!(r#"{"/app/x/readiness": {"kind": "exec"}}"#.parse::<Probes>().is_err());
}
