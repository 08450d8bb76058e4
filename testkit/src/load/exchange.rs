//! From an answer that has begun to the outcome that is counted.

use http::{HeaderMap, Response, header::HeaderName};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{
    outcome::{Kind, Outcome},
    plan::Plan,
};
use crate::reply::chain;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Reads the answer to its end and says what it was.
pub(super) async fn finish(plan: &Plan, response: Response<Incoming>) -> Outcome {
    let (head, body) = response.into_parts();
    let version = text(&head.headers, &plan.version_header);
    let http_status = head.status.as_u16().to_string();
    let trailers = match read(body).await {
        Ok(trailers) => trailers,
        Err(error) => {
            let failure = Some((Kind::Truncated, chain(&error)));
            return Outcome { status: Some(http_status), version, failure, ..Outcome::default() };
        }
    };
    if !plan.grpc || !head.status.is_success() {
        let failure = (!head.status.is_success()).then(|| (Kind::Status, http_status.clone()));
        return Outcome { status: Some(http_status), version, failure, ..Outcome::default() };
    }
    // An error without messages may come with the head alone.
    let grpc = trailers.and_then(|trailers| text(&trailers, &GRPC_STATUS));
    match grpc.or_else(|| text(&head.headers, &GRPC_STATUS)) {
        Some(code) => {
            let status = format!("grpc-{code}");
            let failure = (code != "0").then(|| (Kind::Status, status.clone()));
            Outcome { status: Some(status), version, failure, ..Outcome::default() }
        }
        None => {
            let failure = Some((Kind::Truncated, "no grpc-status".to_owned()));
            Outcome { status: Some(http_status), version, failure, ..Outcome::default() }
        }
    }
}

/// Reads a body to its end, keeping only its trailers.
async fn read(mut body: Incoming) -> Result<Option<HeaderMap>, hyper::Error> {
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        trailers = frame?.into_trailers().ok();
    }
    Ok(trailers)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
