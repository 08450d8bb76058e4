//! Clients that go away in the middle of what they send: it says nothing about the server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use lab::{Authority, Proxy, Setup, meshed, of_revision, plain_service, service, service_id};
use model::{
    endpoint::Endpoint, inbound::MtlsMode, key::Key, resource::Resource, service::Protocol,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};

use crate::{
    split::{split, under_rollout},
    talk::{Application, Body, http2, spawn, text},
};

/// An application that reads all that comes and says when it began to; what it answers when there
/// is no more is its fault.
async fn reading() -> (Application, Arc<Notify>) {
    let heard = Arc::new(Notify::new());
    let begun = Arc::clone(&heard);
    let application = Application::http(move |request| {
        let begun = Arc::clone(&begun);
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {
                begun.notify_one();
            }
            let mut response = text("cut");
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    });
    (application.await, heard)
}

/// A client's proxy for which `endpoint` is a canary that gets everything.
fn towards(endpoint: Endpoint, identity: proxy::identity::Identity) -> Proxy {
    let canary = vec![of_revision(endpoint, "new")];
    let setup = Setup::new("frontend").identity(identity).with(service(canary));
    Proxy::start(setup.with([under_rollout(split(100))]))
}

fn to_plain(application: &Application) -> Proxy {
    towards(Endpoint::plain(application.address), Authority::fresh().identity("frontend"))
}

/// Waits until nothing is under way, and says how many attempts counted and how many failed.
async fn judged(proxy: &Proxy) -> (u64, u64) {
    proxy.plane.drain.begin(Instant::now() + Duration::from_secs(20));
    assert_eq!(proxy.plane.drain.finished().await, 0);
    let rows = proxy.plane.rows.snapshot();
    let sum = |of: fn(&proxy::telemetry_rows::Reading) -> u64| rows.iter().map(of).sum();
    (sum(|row| row.attempts), sum(|row| row.failures))
}

fn gone(proxy: &Proxy) -> f64 {
    let gone = ["response_flags=\"DC\"", "response_code=\"0\""];
    proxy.counted("istio_requests_total", &gone)
}

/// Begins an upload of HTTP/1 that is never finished.
async fn uploading(to: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(to).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhello";
    client.write_all(head).await.unwrap();
    client
}

/// Begins an upload of HTTP/2 that is never finished.
async fn uploading_http2(to: SocketAddr) -> tokio::task::JoinHandle<()> {
    let mut client = http2(to).await;
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"hello")))]);
    let body: Body = BodyExt::boxed(StreamBody::new(first.chain(stream::pending())));
    let request = Request::post("http://catalogue/").body(body).unwrap();
    spawn(async move { drop(client.send_request(request).await) })
}

#[tokio::test]
async fn an_upload_of_http1_that_its_client_aborts_does_not_count() {
    let (application, heard) = reading().await;
    let proxy = to_plain(&application);
    let client = uploading(proxy.outbound()).await;
    heard.notified().await;
    drop(client);
    assert_eq!(judged(&proxy).await, (0, 0));
    assert_eq!(gone(&proxy), 1.0);
}

#[tokio::test]
async fn an_upload_of_http1_that_its_client_resets_does_not_count() {
    let (application, heard) = reading().await;
    let proxy = to_plain(&application);
    let client = uploading(proxy.outbound()).await;
    heard.notified().await;
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(judged(&proxy).await, (0, 0));
    assert_eq!(gone(&proxy), 1.0);
}

#[tokio::test]
async fn an_upload_of_http2_that_its_client_aborts_does_not_count() {
    let (application, heard) = reading().await;
    let proxy = to_plain(&application);
    let client = uploading_http2(proxy.outbound()).await;
    heard.notified().await;
    client.abort();
    assert_eq!(judged(&proxy).await, (0, 0));
    assert_eq!(gone(&proxy), 1.0);
}

#[tokio::test]
async fn an_aborted_upload_is_the_clients_doing_on_both_sides_of_the_mesh() {
    let (application, heard) = reading().await;
    let authority = Authority::fresh();
    let server = Setup::new("catalogue").identity(authority.identity("catalogue"));
    let server = Proxy::start(server.serving(application.address, MtlsMode::Strict));
    let proxy = towards(meshed(server.inbound(), "catalogue"), authority.identity("frontend"));
    let client = uploading(proxy.outbound()).await;
    heard.notified().await;
    drop(client);
    assert_eq!(judged(&proxy).await, (0, 0));
    judged(&server).await;
    assert_eq!((gone(&proxy), gone(&server)), (1.0, 1.0));
}

#[tokio::test]
async fn what_was_answered_badly_before_the_client_gave_up_counts() {
    let application = Application::tcp(|mut stream| async move {
        let mut head = [0; 1024];
        drop(stream.read(&mut head).await);
        drop(stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nno").await);
        while stream.read(&mut head).await.is_ok_and(|read| read > 0) {}
    });
    let application = application.await;
    let proxy = to_plain(&application);
    let mut client = uploading(proxy.outbound()).await;
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 500");
    drop(client);
    assert_eq!(judged(&proxy).await, (1, 1));
}

#[tokio::test]
async fn a_server_that_cuts_an_upload_off_has_failed() {
    let application = Application::tcp(|mut stream| async move {
        let mut head = [0; 1024];
        drop(stream.read(&mut head).await);
    });
    let application = application.await;
    let proxy = to_plain(&application);
    let mut client = uploading(proxy.outbound()).await;
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    drop(client);
    assert_eq!(judged(&proxy).await, (1, 1));
}

/// A client's proxy that carries bytes to a canary which reads and never answers, and what it read.
async fn carrying() -> (Application, Proxy, Arc<Notify>) {
    let heard = Arc::new(Notify::new());
    let begun = Arc::clone(&heard);
    let application = Application::tcp(move |mut stream| {
        let begun = Arc::clone(&begun);
        async move {
            let mut bytes = [0; 1024];
            while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                begun.notify_one();
            }
        }
    });
    let application = application.await;
    let canary = vec![of_revision(Endpoint::plain(application.address), "new")];
    let carried = plain_service(Protocol::Tcp, Some(split(100)));
    let carried = Resource::Service(Arc::new(carried));
    let under_rollout = (Key::Service(service_id()), carried);
    let setup = Setup::new("frontend").with(service(canary)).with([under_rollout]);
    (application, Proxy::start(setup), heard)
}

#[tokio::test]
async fn bytes_that_their_client_cuts_off_do_not_count() {
    let (_application, proxy, heard) = carrying().await;
    let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
    client.write_all(&[0, 1, 2]).await.unwrap();
    heard.notified().await;
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(judged(&proxy).await, (0, 0));
}
