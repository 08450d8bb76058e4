//! `/call?url=`: has this application call another one, or itself.

use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

use super::query;
use crate::{
    caller::Caller,
    reply::{self, Body},
};

/// Answers with what the other answered; who cannot be reached is a 502 with the reason.
pub(super) async fn call(caller: &Caller, request: &Request<Incoming>) -> Response<Body> {
    let url = query::value(request.uri(), "url").and_then(|url| url.parse::<Uri>().ok());
    let Some(url) = url else {
        return reply::text(StatusCode::BAD_REQUEST, "write /call?url=http://HOST:PORT/PATH");
    };
    match caller.call(Method::GET, url, request.headers()).await {
        Ok(answer) => {
            let mut response = Response::new(reply::full(answer.body().clone()));
            *response.status_mut() = answer.status();
            response
        }
        Err(error) => reply::text(StatusCode::BAD_GATEWAY, reply::chain(&*error)),
    }
}
