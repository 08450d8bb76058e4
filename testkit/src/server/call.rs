//! `/call?url=`: calls another service, or this one, on behalf of the caller.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::query;
use crate::reply::{self, Body, BoxError};

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

    /// Gets `uri` with the headers of tracing out of `incoming`; the body is read whole.
    pub(crate) async fn get(
        &self,
        uri: Uri,
        incoming: &HeaderMap,
    ) -> Result<Response<Bytes>, BoxError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        forward_tracing(incoming, request.headers_mut());
        tokio::time::timeout(DEADLINE, async {
            let (head, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, BIGGEST_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        })
        .await?
    }

    /// Answers with what the other answered; who cannot be reached is a 502 with the reason.
    pub(super) async fn call(&self, request: &Request<Incoming>) -> Response<Body> {
        let url = query::value(request.uri(), "url").and_then(|url| url.parse::<Uri>().ok());
        let Some(url) = url else {
            return reply::text(StatusCode::BAD_REQUEST, "write /call?url=http://HOST:PORT/PATH");
        };
        match self.get(url, request.headers()).await {
            Ok(answer) => {
                let mut response = Response::new(reply::full(answer.body().clone()));
                *response.status_mut() = answer.status();
                response
            }
            Err(error) => reply::text(StatusCode::BAD_GATEWAY, reply::chain(&*error)),
        }
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
