//! Why an attempt came to nothing, and what that says of the request: whether anybody can have
//! begun to work on it.

use std::{error::Error as _, io, rc::Rc};

use crate::pool::connect;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// There is no connection, so nothing was sent.
    Connect(Rc<connect::Error>),
    /// The endpoint said that it did not work on the request.
    NotProcessed,
    /// The endpoint is about to leave, and did not take what can be sent elsewhere.
    Leaving,
    /// The connection was about to close, and took the request no more.
    Closing,
    /// A kept connection was closed before any byte of a response: most likely while it was idle.
    /// The request means something else if it is sent twice; others were sent again.
    Stale,
    /// Anything may have happened.
    Broken(Broken),
    /// What the client sent is no longer there to be sent again.
    BodyGone,
    /// The client went away before it had sent all of its request.
    BrokenOff,
    /// The endpoint's response cannot be passed on as it is.
    Garbled,
}

/// What broke a connection or a stream.
#[derive(Debug)]
pub enum Broken {
    /// A connection of HTTP/1.
    Http1(hyper::Error),
    /// A connection of HTTP/2, or a stream on it.
    Http2(h2::Error),
}

impl Failure {
    /// Whether it says anything about the endpoint.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_verdict(),
            Self::NotProcessed
            | Self::Closing
            | Self::Stale
            | Self::Broken(_)
            | Self::BodyGone
            | Self::Garbled => true,
            Self::Leaving | Self::BrokenOff => false,
        }
    }
}

/// A stream that was refused, or lies beyond the last one a closing peer takes, was not worked on
/// (RFC 9113, section 8.7).
pub(super) fn judge_http2(error: h2::Error) -> Failure {
    match error.reason().filter(|_| error.is_remote()) {
        Some(h2::Reason::REFUSED_STREAM) if error.is_reset() => Failure::NotProcessed,
        Some(h2::Reason::NO_ERROR) if error.is_go_away() => Failure::Closing,
        Some(_) | None => Failure::Broken(Broken::Http2(error)),
    }
}

impl Broken {
    /// Whether the other side reset the connection.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        let cause = match self {
            Self::Http1(error) => error.source().and_then(|cause| cause.downcast_ref()),
            Self::Http2(error) => error.get_io(),
        };
        cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::ConnectionReset)
    }
}

pub(super) fn judge_http1(error: hyper::Error, reused: bool) -> Failure {
    let reset = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let gone = error.is_incomplete_message() || error.is_canceled() || reset.is_some();
    if reused && gone { Failure::Stale } else { Failure::Broken(Broken::Http1(error)) }
}
