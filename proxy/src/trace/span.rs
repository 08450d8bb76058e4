//! One proxy's span of one request, as OpenTelemetry's conventions for HTTP and RPC describe it,
//! with what Istio's proxies add.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, Method, Version, header};
use model::workload::Workload;

use super::{
    export::Outbox,
    otlp::{self, KeyValue},
    propagation::Place,
    request_id::REQUEST_ID,
};
use crate::{
    http::{head::Head, recorder::End},
    metrics::labels::RequestProtocol,
};

/// A span that is not over yet.
#[derive(Debug)]
pub struct Span {
    outbox: Outbox,
    place: Place,
    kind: Kind,
    started: SystemTime,
    name: String,
    attributes: Vec<KeyValue>,
    /// Who is on the other side of this hop: the endpoint for a client, the caller for a server.
    pub peer: Option<SocketAddr>,
}

/// Which side of a hop a span is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The proxy of whoever asks.
    Client,
    /// The proxy of whoever answers.
    Server,
}

/// Who all spans of a proxy come from.
#[derive(Clone, Debug)]
pub struct Resource(Vec<KeyValue>);

impl Span {
    pub(super) fn begin(outbox: Outbox, place: Place, kind: Kind, head: &Head) -> Box<Self> {
        let (started, name) = (outbox.now(), name(head));
        let attributes = asked(head);
        Box::new(Self { outbox, place, kind, started, name, attributes, peer: None })
    }

    /// Sends the span away; says whether there was room for it. `bytes` are the request's and the
    /// response's.
    #[must_use]
    pub fn finish(mut self, end: &End, took: Duration, bytes: [u64; 2], service: &str) -> bool {
        self.note_end(end, bytes, service);
        let is_error = is_error(self.kind, end);
        let status = is_error.then(|| {
            let message = String::new();
            otlp::Status { message, code: otlp::ERROR }
        });
        let state = self.place.state.iter().filter_map(|value| value.to_str().ok());
        let span = otlp::Span {
            trace_id: self.place.trace.bytes().to_vec(),
            span_id: self.place.span.bytes().to_vec(),
            trace_state: cut(&state.collect::<Vec<_>>().join(","), LONGEST).to_owned(),
            parent_span_id: self.place.parent.map_or_else(Vec::new, |id| id.bytes().to_vec()),
            name: self.name,
            kind: match self.kind {
                Kind::Client => otlp::CLIENT,
                Kind::Server => otlp::SERVER,
            },
            start_time_unix_nano: nanos(self.started),
            end_time_unix_nano: nanos(self.started + took),
            attributes: self.attributes,
            status,
            flags: otlp::SAMPLED,
        };
        self.outbox.send(span)
    }

    fn note_end(&mut self, end: &End, bytes: [u64; 2], service: &str) {
        let [request_bytes, response_bytes] = bytes;
        let mut put = |attribute| self.attributes.push(attribute);
        put(KeyValue::number("http.request.body.size", request_bytes));
        put(KeyValue::number("http.response.body.size", response_bytes));
        put(KeyValue::text("response_flags", end.flags.label()));
        if end.code != 0 {
            put(KeyValue::number("http.response.status_code", end.code));
        }
        if end.protocol == RequestProtocol::Grpc
            && let Some(status) = end.grpc_status
        {
            put(KeyValue::number("rpc.grpc.status_code", status));
        }
        if is_error(self.kind, end) {
            let kind = end.grpc_status.unwrap_or(end.code).to_string();
            put(KeyValue::text("error.type", kind));
        }
        if let Some(peer) = self.peer {
            put(KeyValue::text("network.peer.address", peer.ip().to_canonical().to_string()));
            put(KeyValue::number("network.peer.port", peer.port()));
        }
        match (self.kind, self.peer) {
            (Kind::Client, _) => put(KeyValue::text("peer.service", service)),
            (Kind::Server, Some(peer)) => {
                put(KeyValue::text("client.address", peer.ip().to_canonical().to_string()));
            }
            (Kind::Server, None) => {}
        }
    }
}

impl Resource {
    /// The proxy of `workload`.
    #[must_use]
    pub fn of(workload: &Workload) -> Self {
        let name = match (&*workload.canonical_name, &*workload.workload) {
            ("", "") => &workload.pod,
            ("", name) | (name, _) => name,
        };
        let all = [
            ("service.name", name),
            ("service.namespace", &workload.namespace),
            ("service.version", &workload.canonical_revision),
            ("service.instance.id", &workload.pod),
            ("k8s.namespace.name", &workload.namespace),
            ("k8s.pod.name", &workload.pod),
            ("k8s.pod.ip", &workload.address.to_string()),
            ("k8s.node.name", &workload.node),
            ("istio.canonical_service", &workload.canonical_name),
            ("istio.canonical_revision", &workload.canonical_revision),
            ("istio.namespace", &workload.namespace),
        ];
        let known = all.into_iter().filter(|(_, value)| !value.is_empty());
        Self(known.map(|(key, value)| KeyValue::text(key, value)).collect())
    }

    /// A request to a collector, with all of `spans`.
    pub(super) fn with(&self, spans: Vec<otlp::Span>) -> otlp::Request {
        let name = env!("CARGO_PKG_NAME").to_owned();
        let scope = otlp::Scope { name, version: env!("CARGO_PKG_VERSION").to_owned() };
        let scope_spans = vec![otlp::ScopeSpans { scope: Some(scope), spans }];
        let resource = Some(otlp::Resource { attributes: self.0.clone() });
        otlp::Request { resource_spans: vec![otlp::ResourceSpans { resource, scope_spans }] }
    }
}

/// What a span is called: never by anything that a client makes up.
fn name(head: &Head) -> String {
    if head.is_grpc() {
        return cut(head.uri.path().trim_start_matches('/'), LONGEST).to_owned();
    }
    match known(&head.method) {
        Some(method) => method.to_owned(),
        None => "HTTP".to_owned(),
    }
}

/// What is known when the request begins. The query is left out: it is where people put secrets.
fn asked(head: &Head) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(20);
    let mut put = |attribute| attributes.push(attribute);
    put(KeyValue::text("http.request.method", known(&head.method).unwrap_or("_OTHER")));
    if known(&head.method).is_none() {
        put(KeyValue::text("http.request.method_original", cut(head.method.as_str(), LONGEST)));
    }
    put(KeyValue::text("url.scheme", "http"));
    put(KeyValue::text("url.path", cut(head.uri.path(), LONGEST)));
    put(KeyValue::text("network.protocol.name", "http"));
    put(KeyValue::text("network.protocol.version", version(head.version)));
    if let Some(authority) = head.authority() {
        put(KeyValue::text("server.address", cut(authority.host(), LONGEST)));
        put(KeyValue::number("server.port", authority.port_u16().unwrap_or(80)));
    }
    let header = |name: HeaderName| head.headers.get(name)?.to_str().ok();
    if let Some(agent) = header(header::USER_AGENT) {
        put(KeyValue::text("user_agent.original", cut(agent, LONGEST)));
    }
    if let Some(id) = header(REQUEST_ID) {
        put(KeyValue::text("guid:x-request-id", cut(id, LONGEST)));
    }
    if head.is_grpc() {
        put(KeyValue::text("rpc.system", "grpc"));
        if let Some((service, method)) = head.uri.path().trim_start_matches('/').split_once('/') {
            put(KeyValue::text("rpc.service", cut(service, LONGEST)));
            put(KeyValue::text("rpc.method", cut(method, LONGEST)));
        }
    }
    attributes
}

/// Methods that have a meaning of their own (RFC 9110, section 9; RFC 5789).
fn known(method: &Method) -> Option<&str> {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    KNOWN.contains(method).then(|| method.as_str())
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Whether the end is an error as this side of the hop sees it: a client is wrong where a server is
/// right to refuse (OpenTelemetry, "HTTP spans: status", "gRPC status").
fn is_error(kind: Kind, end: &End) -> bool {
    match (kind, end.grpc_status) {
        (Kind::Client, Some(status)) => status != 0,
        (Kind::Server, Some(status)) => matches!(status, 2 | 4 | 12 | 13 | 14 | 15),
        (Kind::Client, None) => end.code >= 400,
        (Kind::Server, None) => end.code >= 500,
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// `text` cut to `most` bytes, between characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The most that one attribute takes: what waits to be sent is bounded in spans.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests;
