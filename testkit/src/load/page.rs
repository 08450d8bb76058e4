//! The counts over HTTP, for whoever watches from outside.

use http::{Method, Response, StatusCode};

use super::tally::Tally;
use crate::{
    reply::{self, Body},
    serve::{Answer, Call},
};

/// `GET /stats` and `POST /reset`.
#[derive(Clone, Debug)]
pub(super) struct Page(pub(super) Tally);

impl Answer for Page {
    async fn answer(&self, call: Call) -> Response<Body> {
        match (call.request.method(), call.request.uri().path()) {
            (&Method::GET, "/stats") => reply::json(StatusCode::OK, &self.0.stats()),
            (&Method::GET, "/healthz") => reply::text(StatusCode::OK, "ok"),
            (&Method::POST, "/reset") => {
                self.0.reset();
                reply::json(StatusCode::OK, &self.0.stats())
            }
            _ => reply::text(StatusCode::NOT_FOUND, "GET /stats or POST /reset"),
        }
    }
}
