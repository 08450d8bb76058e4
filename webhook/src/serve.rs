//! The HTTPS server that the API server calls.
//!
//! `/inject` gives pods their proxy, `/validate` warns about configuration. Everything is bounded:
//! the size of a body, the time of a handshake, the number of connections. The certificate is read
//! again when its file changes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use api::webhook_config::WebhookConfig;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header::CONNECTION},
    middleware::map_response_with_state,
    response::{IntoResponse, Response},
    routing::post,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use k8s_openapi::api::core::v1::Pod;
use runtime::tasks::Tasks;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{facts::Facts, review, validate};

mod certificate;
mod metrics;

pub use certificate::{Certificate, Error as CertificateError};
pub use metrics::Metrics;

/// What every request needs.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What pods are injected with.
    pub config: Arc<WebhookConfig>,
    /// What is known of the cluster.
    pub facts: Facts,
    /// What is counted.
    pub metrics: Metrics,
}

/// The paths that the API server calls.
pub fn router(webhook: Webhook) -> Router {
    Router::new()
        .route("/inject", post(inject))
        .route("/validate", post(validate_object))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(webhook)
}

async fn inject(State(webhook): State<Webhook>, body: Bytes) -> Response {
    let request = match review::read::<Pod>(&body) {
        Ok(request) => request,
        Err(error) => return bad_request(&webhook, &error),
    };
    let about = |pod: &Pod, namespace: &str| webhook.facts.about(pod, namespace);
    let (answer, outcome) = review::answer(&request, &webhook.config, about);
    webhook.metrics.reviewed(outcome.label());
    Json(answer).into_response()
}

async fn validate_object(State(webhook): State<Webhook>, body: Bytes) -> Response {
    match validate::answer(&body) {
        Ok(answer) => {
            webhook.metrics.reviewed("validated");
            Json(answer).into_response()
        }
        Err(error) => bad_request(&webhook, &error),
    }
}

fn bad_request(webhook: &Webhook, error: &review::Error) -> Response {
    webhook.metrics.reviewed("malformed");
    let source = std::error::Error::source(error).map(|why| format!(": {why}"));
    (StatusCode::BAD_REQUEST, format!("{error}{}\n", source.unwrap_or_default())).into_response()
}

/// Serves until the process stops, then lets requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, certificate: Certificate, tasks: Tasks) {
    let stop = tasks.token();
    let router = router.layer(map_response_with_state(tasks.leaving(), close));
    let (places, open) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), TaskTracker::new());
    let acceptor = TlsAcceptor::from(certificate.server_config());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                open.spawn(async move {
                    Box::pin(connection(socket, peer, acceptor, router, stop)).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    open.close();
    open.wait().await;
}

/// Takes a kept connection from who asks, once this replica is on its way out: the next one is
/// opened to another. To close it between two reviews would lose the second.
async fn close(State(leaving): State<CancellationToken>, mut response: Response) -> Response {
    if leaving.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await;
    let Ok(Ok(stream)) = handshake else {
        debug!(%peer, "no TLS handshake");
        return;
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(HEADER_TIMEOUT));
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}

/// Kubernetes objects are at most 1.5 MiB; a review holds up to two of them.
const LARGEST_BODY: usize = 4 << 20;
const MOST_CONNECTIONS: usize = 1024;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
