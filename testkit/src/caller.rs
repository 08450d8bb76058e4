//! Calls to other applications on behalf of a caller, as applications make them: pooled HTTP/1.1
//! connections, a deadline, and the headers of tracing handed on.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::reply::BoxError;

/// What ties the parts of a trace together; the application's share of tracing is to hand it on.
const TRACING: [&str; 10] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-request-id",
];
const DEADLINE: Duration = Duration::from_secs(5);
const BIGGEST_ANSWER: usize = 1 << 20;

/// Calls others over pooled HTTP/1.1 connections.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Client<HttpConnector, Full<Bytes>>);

impl Caller {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http())
    }

    /// Requests `uri` with the headers of tracing out of `incoming`; the body is read whole.
    pub(crate) async fn call(
        &self,
        method: Method,
        uri: Uri,
        incoming: &HeaderMap,
    ) -> Result<Response<Bytes>, BoxError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        forward_tracing(incoming, request.headers_mut());
        tokio::time::timeout(DEADLINE, async {
            let (head, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, BIGGEST_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        })
        .await?
    }
}

/// Copies the headers of tracing, every value of them.
pub(crate) fn forward_tracing(from: &HeaderMap, to: &mut HeaderMap) {
    for name in TRACING.map(HeaderName::from_static) {
        for value in from.get_all(&name) {
            to.append(&name, value.clone());
        }
    }
}
