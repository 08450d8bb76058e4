//! The two small servers beside the data plane: one that the pod's network may ask (kubelet,
//! Prometheus), and one for the pod itself (people through `kubectl exec`, `serinctl`, preStop),
//! which shows and changes more.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Method, StatusCode, Uri, header::USER_AGENT};
use runtime::{
    admin::{Admin, Answer, json, text},
    clock::Clock,
    readiness::Readiness,
    telemetry::{LogLevel, Metrics},
};
use serde_json::json;
use tokio::time::Instant;
use tracing::info;

use crate::{discovery::Discovery, drain::Drain, identity::Identity, probe::Probes};

mod certificate;
mod resource;

/// What the servers answer from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What the proxy waits for.
    pub readiness: Readiness,
    /// What is counted.
    pub metrics: Metrics,
    /// What is held.
    pub discovery: Discovery,
    /// The time of day.
    pub clock: Clock,
    /// What is used in handshakes.
    pub identity: Identity,
    /// Whether the proxy is leaving.
    pub drain: Drain,
    /// How long leaving may take.
    pub drain_limit: Duration,
    /// What is logged.
    pub log: LogLevel,
    /// The application's probes.
    pub probes: Probes,
    /// Where the application is.
    pub pod: IpAddr,
}

/// What the pod's network may ask: `/ready`, `/live`, `/metrics` and the application's probes.
/// Nothing here changes anything.
#[must_use]
pub fn pod_facing(parts: &Parts) -> Admin {
    let (probes, pod) = (Arc::new(parts.probes.clone()), parts.pod);
    Admin::new(parts.readiness.clone(), parts.metrics.clone()).prefix(PROBES, move |request| {
        let probes = Arc::clone(&probes);
        async move {
            let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
            match probes.ask(request.uri().path(), pod, agent).await {
                Some(verdict) => text(verdict.status, verdict.reason),
                None => text(StatusCode::NOT_FOUND, "the application has no such probe\n"),
            }
        }
    })
}

/// What only the pod itself may ask: also `/config`, `/certs`, `/log?level=…` and `POST /drain`.
#[must_use]
pub fn localhost(parts: &Parts) -> Admin {
    let (config, clock) = (parts.discovery.clone(), parts.clock.clone());
    let identity = parts.identity.clone();
    let log = parts.log.clone();
    let (drain, limit) = (parts.drain.clone(), parts.drain_limit);
    Admin::new(parts.readiness.clone(), parts.metrics.clone())
        .route(Method::GET, "/config", move |_request| show_config(config.clone(), clock.clone()))
        .route(Method::GET, "/certs", move |_request| {
            let shown = certificate::show(identity.current().as_deref());
            async move { json(&shown) }
        })
        .prefix("/log", move |request| {
            let answer = set_level(&log, request.uri());
            async move { answer }
        })
        .route(Method::POST, "/drain", move |_request| leave(drain.clone(), limit))
}

async fn show_config(discovery: Discovery, clock: Clock) -> Answer {
    let lines = discovery.show().await;
    json(&json!({ "keys": resource::lines(&lines, clock.now()) }))
}

fn set_level(log: &LogLevel, uri: &Uri) -> Answer {
    let query = uri.query().unwrap_or_default();
    let level = query.split('&').find_map(|pair| pair.strip_prefix("level="));
    let Some(level) = level.filter(|level| !level.is_empty()) else {
        return text(StatusCode::BAD_REQUEST, "say what to log: /log?level=debug\n");
    };
    match log.set(level) {
        Ok(()) => {
            info!(level, "log level changed");
            text(StatusCode::OK, format!("logging {level}\n"))
        }
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

/// Begins to drain and answers when nothing is in flight any more, or at the limit.
async fn leave(drain: Drain, limit: Duration) -> Answer {
    let (start, before) = (Instant::now(), drain.in_flight());
    drain.begin(start + limit);
    info!(in_flight = before, ?limit, "draining");
    let left = drain.finished().await;
    let took = start.elapsed();
    info!(left, ?took, "drained");
    json(&json!({ "inFlight": before, "left": left, "seconds": took.as_secs_f64() }))
}

/// Where kubelet finds the application's probes.
const PROBES: &str = "/app/";

#[cfg(test)]
mod tests;
