//! The small HTTP server of every process: `/live`, `/ready`, `/metrics`, and what the process
//! adds.
//!
//! It answers from what is at hand, is bounded in connections and time, and never serves traffic.

use std::{
    collections::BTreeMap, convert::Infallible, future::Future, net::SocketAddr, pin::Pin,
    sync::Arc, time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{readiness::Readiness, telemetry, telemetry::Metrics};

/// What a handler answers.
pub type Answer = Response<Full<Bytes>>;

type Handler =
    Arc<dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// What the server answers, by path.
#[derive(Clone)]
pub struct Admin {
    readiness: Readiness,
    metrics: Metrics,
    routes: BTreeMap<String, (Method, Handler)>,
    prefixes: Vec<(String, Handler)>,
}

impl Admin {
    /// A server with `/live`, `/ready` and `/metrics`.
    #[must_use]
    pub const fn new(readiness: Readiness, metrics: Metrics) -> Self {
        Self { readiness, metrics, routes: BTreeMap::new(), prefixes: Vec::new() }
    }

    /// Adds a path; other methods than `method` are refused with 405.
    #[must_use]
    pub fn route<F, A>(mut self, method: Method, path: &str, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.routes.insert(path.to_owned(), (method, handler));
        self
    }

    /// Adds all paths that begin with `prefix`, for any method.
    #[must_use]
    pub fn prefix<F, A>(mut self, prefix: &str, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.prefixes.push((prefix.to_owned(), handler));
        self
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if let Some((method, handler)) = self.routes.get(path) {
            if request.method() == method {
                return handler(request).await;
            }
            return text(StatusCode::METHOD_NOT_ALLOWED, format!("use {method}\n"));
        }
        if let Some((_, handler)) = self.prefixes.iter().find(|(p, _)| path.starts_with(p)) {
            return handler(request).await;
        }
        match path {
            "/live" => text(StatusCode::OK, "alive\n"),
            "/ready" => self.ready(),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "no such path\n"),
        }
    }

    fn ready(&self) -> Answer {
        if self.readiness.is_ready() {
            return text(StatusCode::OK, "ready\n");
        }
        let waiting = self.readiness.pending().join(", ");
        text(StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {waiting}\n"))
    }

    fn metrics(&self) -> Answer {
        match self.metrics.encode() {
            Ok(body) => {
                let mut answer = text(StatusCode::OK, body);
                let kind = header::HeaderValue::from_static(telemetry::CONTENT_TYPE);
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            Err(_unwritable) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics not encoded\n"),
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("routes", &self.routes.keys()).finish_non_exhaustive()
    }
}

/// A plain-text answer.
#[must_use]
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// A JSON answer; 500 if `value` has no JSON form.
#[must_use]
pub fn json(value: &serde_json::Value) -> Answer {
    let mut answer = text(StatusCode::OK, format!("{value:#}\n"));
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Binds the admin server's listener.
///
/// # Errors
/// If the address cannot be bound.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` fires. Open connections are then dropped.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) {
    let (admin, places) = (Arc::new(admin), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
    let connections = tokio_util::task::TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((socket, place)) = accepted else { continue };
        let (admin, stop) = (Arc::clone(&admin), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(socket, admin) => {}
            }
            drop(place);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _peer)) => Some((socket, place)),
        Err(error) => {
            debug!(%error, "admin connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(socket: tokio::net::TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(admin.answer(request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = served.await {
        debug!(%error, "admin connection ended");
    }
}

const MOST_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
