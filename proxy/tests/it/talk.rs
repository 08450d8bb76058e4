//! Both ends of a conversation through proxies: applications that listen, and clients that ask.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle},
};

pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// An application that listens until it is dropped.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Application {
    /// Answers every request, of HTTP/1.1 and HTTP/2 alike, as `answer` says.
    pub(crate) async fn http<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::tcp(move |stream| serve(stream, Arc::clone(&answer))).await
    }

    /// Answers every request with its own head, in words.
    pub(crate) async fn mirror() -> Self {
        Self::http(|request| async move { text(&describe(&request)) }).await
    }

    /// Does with every connection what `serve` says.
    pub(crate) async fn tcp<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(serve(stream));
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

/// Answers the requests of one connection as `answer` says.
pub(crate) async fn serve<F, R>(stream: TcpStream, answer: Arc<F>)
where
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
}

pub(crate) fn describe(request: &Request<Incoming>) -> String {
    let (method, uri, version) = (request.method(), request.uri(), request.version());
    let mut words = format!("{method} {uri} {version:?}\n");
    for (name, value) in request.headers() {
        words.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    words
}

pub(crate) fn text(words: &str) -> Response<Body> {
    Response::new(full(words))
}

pub(crate) fn full(words: &str) -> Body {
    Full::new(Bytes::copy_from_slice(words.as_bytes())).map_err(|never| match never {}).boxed()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A client's connection of HTTP/1.1, kept alive.
pub(crate) async fn http1(to: SocketAddr) -> http1::SendRequest<Body> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection.with_upgrades());
    sender
}

/// A client's connection of HTTP/2, with prior knowledge.
pub(crate) async fn http2(to: SocketAddr) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(to).await.unwrap();
    let executor = TokioExecutor::new();
    let (sender, connection) = http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    sender
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "catalogue").body(empty()).unwrap()
}

pub(crate) async fn words(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
pub(crate) fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task)
}
