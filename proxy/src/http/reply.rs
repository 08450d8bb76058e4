//! What the proxy answers itself when there is nobody else to.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header};

use super::{LEAVING, NOT_PROCESSED, body::ResponseBody, exchange::Exchange};
use crate::metrics::labels::Flags;

/// Why a request has no answer but ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// No route matches.
    NoRoute,
    /// The route leads nowhere (Gateway API, HTTPRouteRule.backendRefs).
    NoBackend,
    /// The backend has no endpoint.
    NoEndpoint,
    /// No endpoint could be reached.
    Unreachable,
    /// There is more to do than can be done: it waited for too long, or nothing is left to connect
    /// with.
    Overloaded,
    /// The endpoint went away with the request.
    CutOff,
    /// The client went away before it had sent all of its request.
    BrokenOff,
    /// The control plane has not said what is at the destination.
    Undiscovered,
    /// The request cannot be passed on as it is.
    Malformed,
    /// The response cannot be passed on as it is.
    Garbled,
}

impl Reason {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoBackend => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoEndpoint
            | Self::Unreachable
            | Self::Overloaded
            | Self::CutOff
            | Self::Undiscovered => StatusCode::SERVICE_UNAVAILABLE,
            Self::Malformed | Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Garbled => StatusCode::BAD_GATEWAY,
        }
    }

    const fn flags(self) -> Flags {
        match self {
            Self::NoRoute | Self::NoBackend => Flags::NoRoute,
            Self::NoEndpoint | Self::Undiscovered => Flags::NoHealthyUpstream,
            Self::Unreachable | Self::Garbled => Flags::UpstreamFailure,
            Self::Overloaded => Flags::UpstreamOverflow,
            Self::CutOff => Flags::UpstreamTermination,
            Self::BrokenOff => Flags::DownstreamTermination,
            Self::Malformed => Flags::DownstreamProtocolError,
        }
    }

    /// gRPC's statuses, as its documentation maps them from HTTP's.
    const fn grpc_status(self) -> u16 {
        match self {
            Self::BrokenOff => 1,
            Self::NoRoute => 12,
            Self::NoBackend | Self::Malformed | Self::Garbled => 13,
            Self::NoEndpoint
            | Self::Unreachable
            | Self::Overloaded
            | Self::CutOff
            | Self::Undiscovered => 14,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NoRoute => "serin: no route matches this request\n",
            Self::NoBackend => "serin: the route leads to no backend\n",
            Self::NoEndpoint => "serin: no endpoint is ready\n",
            Self::Unreachable => "serin: no endpoint could be reached\n",
            Self::Overloaded => "serin: there is more to do than can be done\n",
            Self::CutOff => "serin: the endpoint closed before it answered\n",
            Self::BrokenOff => "serin: the request ended before its end\n",
            Self::Undiscovered => "serin: the destination is not known\n",
            Self::Malformed => "serin: the request cannot be passed on\n",
            Self::Garbled => "serin: the response cannot be passed on\n",
        }
    }
}

/// The answer, in the words of whoever asked; recorded with `exchange`, which ends here.
#[must_use]
pub fn answer(exchange: &Exchange, reason: Reason) -> Response<ResponseBody> {
    if exchange.is_grpc() {
        exchange.answered_here(200, Some(reason.grpc_status()), reason.flags());
        return grpc(reason);
    }
    exchange.answered_here(reason.status().as_u16(), None, reason.flags());
    let text = Bytes::from_static(reason.text().as_bytes());
    let mut response = Response::new(ResponseBody::Full(Some(text)));
    *response.status_mut() = reason.status();
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// The answer to a request that cannot be passed on. Who is not understood is not listened to any
/// longer: what follows on a connection of HTTP/1 may have been meant as part of it.
#[must_use]
pub fn malformed(exchange: &Exchange, spoken: Version) -> Response<ResponseBody> {
    let mut response = answer(exchange, Reason::Malformed);
    if spoken != Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer, with the mark that tells a peer's proxy that nobody has begun to work on the
/// request.
#[must_use]
pub fn not_processed(exchange: &Exchange, reason: Reason) -> Response<ResponseBody> {
    let mut response = answer(exchange, reason);
    response.headers_mut().insert(NOT_PROCESSED, HeaderValue::from_static("1"));
    response
}

/// The answer of one that is about to leave, to a peer's proxy that can ask elsewhere.
#[must_use]
pub fn leaving(exchange: &Exchange) -> Response<ResponseBody> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    exchange.answered_here(status.as_u16(), None, Reason::Unreachable.flags());
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(NOT_PROCESSED, LEAVING);
    response
}

fn grpc(reason: Reason) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(reason.grpc_status()));
    headers.insert("grpc-message", HeaderValue::from_static(reason.text().trim_end()));
    response
}
