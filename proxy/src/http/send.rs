//! One attempt: sends a request to one endpoint and waits for the head of its response.
//!
//! What matters when it fails is whether the endpoint can have begun to work on it; only this
//! module says so.

use std::{error::Error as _, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use hyper::body::Incoming;

use super::{
    ELSEWHERE, LEAVING, NOT_PROCESSED,
    body::{RequestBody, Source},
    framing,
    head::{Head, Hop},
    upgrade::Wish,
};
use crate::{
    pool::{
        Busy, Endpoint, Http1Connection, Http2Lease, Http2Pool, Place, Transport, begin_http1,
        connect,
    },
    tls::{Carries, Tls},
};

/// An answer, and the hold on the connection that its body comes by.
#[derive(Debug)]
pub struct Sent {
    /// The response, its body still to come.
    pub response: Response<Incoming>,
    /// What is to be given back at its end.
    pub lease: Lease,
}

/// A hold on a connection and on a place among the endpoint's load.
#[derive(Debug)]
pub struct Lease {
    hold: Hold,
    busy: Busy,
    _place: Option<Place>,
}

#[derive(Debug)]
enum Hold {
    Http1 { connection: Http1Connection, endpoint: Rc<Endpoint>, keep: bool },
    Http2 { _place: Http2Lease },
}

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
    Stale,
    /// Anything may have happened.
    Broken(hyper::Error),
    /// What the client sent is no longer there to be sent again.
    BodyGone,
    /// The client went away before it had sent all of its request.
    BrokenOff,
    /// The endpoint's response cannot be passed on as it is.
    Garbled,
}

/// What an attempt needs besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// For connections between proxies.
    pub tls: &'a Arc<Tls>,
    /// Whether a connection may carry another request after this one.
    pub keep: bool,
    /// How long a connection is waited for by someone who can go elsewhere.
    pub patience: Option<Duration>,
    /// Whether the request can be sent elsewhere if the endpoint does not take it.
    pub elsewhere: bool,
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

impl Lease {
    /// By what the answer comes, whatever version it is passed on in.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self.hold {
            Hold::Http1 { .. } => Version::HTTP_11,
            Hold::Http2 { .. } => Version::HTTP_2,
        }
    }

    /// Gives the connection back for the next request: the response has ended as it should.
    pub fn give_back(self) {
        let Self { hold, busy, _place } = self;
        drop(busy);
        match hold {
            Hold::Http1 { connection, endpoint, keep: true } => endpoint.http1.give(connection),
            Hold::Http1 { .. } | Hold::Http2 { .. } => {}
        }
    }
}

/// Sends a request with the body of `source` to `endpoint`.
///
/// # Errors
/// [`Failure`] says whether it may be sent again. Dropping the future cancels the request.
pub async fn send(
    means: Means<'_>,
    endpoint: &Rc<Endpoint>,
    head: &Head,
    source: Option<&Rc<Source>>,
) -> Result<Sent, Failure> {
    let busy = endpoint.enter();
    let sent = match hop(endpoint, head) {
        Hop::Http1 => send_http1(means, endpoint, head, source, busy).await,
        hop @ (Hop::Mesh | Hop::Http2) => {
            send_http2(means, endpoint, hop, head, source, busy).await
        }
    };
    let sent = refused(sent.map_err(|failure| blame(failure, source))?, endpoint)?;
    clear(sent, head.method == Method::CONNECT)
}

/// What fails after the client broke its request off fails because of that.
fn blame(failure: Failure, source: Option<&Rc<Source>>) -> Failure {
    let is_broken_off = source.is_some_and(|source| source.is_broken_off());
    if is_broken_off { Failure::BrokenOff } else { failure }
}

/// The mark of the other side's proxy that nobody has begun to work on the request; from anyone
/// else it means nothing.
fn refused(sent: Sent, endpoint: &Endpoint) -> Result<Sent, Failure> {
    let may_be = sent.response.status() == StatusCode::SERVICE_UNAVAILABLE
        && matches!(endpoint.transport, Transport::Mesh(_));
    match sent.response.headers().get(NOT_PROCESSED) {
        Some(why) if may_be && *why == LEAVING => Err(Failure::Leaving),
        Some(_) if may_be => Err(Failure::NotProcessed),
        Some(_) | None => Ok(sent),
    }
}

/// What a server says, if the client can be told the same. The version it says it in is of its own
/// hop (RFC 9110, section 6.2), as is whether the connection is kept.
fn clear(mut sent: Sent, upgrade_asked: bool) -> Result<Sent, Failure> {
    *sent.response.version_mut() = Version::HTTP_11;
    let (status, headers) = (sent.response.status(), sent.response.headers_mut());
    let is_clear = framing::is_clear_response(status, headers, upgrade_asked);
    if is_clear { Ok(sent) } else { Err(Failure::Garbled) }
}

/// Servers are spoken to as their client speaks; between proxies requests share connections.
fn hop(endpoint: &Endpoint, head: &Head) -> Hop {
    match endpoint.transport {
        Transport::Mesh(_) => Hop::Mesh,
        Transport::Plain | Transport::Application if head.version == Version::HTTP_2 => Hop::Http2,
        Transport::Plain | Transport::Application => Hop::Http1,
    }
}

async fn send_http2(
    means: Means<'_>,
    endpoint: &Rc<Endpoint>,
    hop: Hop,
    head: &Head,
    source: Option<&Rc<Source>>,
    busy: Busy,
) -> Result<Sent, Failure> {
    // A connection that is told to close refuses what it is given before it is marked as closed.
    for _ in 0..UNSENT {
        let lease =
            Http2Pool::take(endpoint, means.tls, means.patience).await.map_err(Failure::Connect)?;
        let mut request = head.request(hop, &endpoint.authority, body(source)?);
        if hop == Hop::Mesh && means.elsewhere {
            request.headers_mut().insert(ELSEWHERE, HeaderValue::from_static("1"));
        }
        match lease.sender().try_send_request(request).await {
            Ok(response) => {
                return Ok(Sent {
                    response,
                    lease: Lease { hold: Hold::Http2 { _place: lease }, busy, _place: None },
                });
            }
            Err(unsent) if unsent.message().is_some() => {}
            Err(failed) => return Err(judge_http2(failed.into_error())),
        }
    }
    Err(Failure::Closing)
}

async fn send_http1(
    means: Means<'_>,
    endpoint: &Rc<Endpoint>,
    head: &Head,
    source: Option<&Rc<Source>>,
    busy: Busy,
) -> Result<Sent, Failure> {
    let place = endpoint.places.take(means.patience).await;
    let place = place.map_err(|error| Failure::Connect(Rc::new(error)))?;
    loop {
        let kept = if means.keep { endpoint.http1.take() } else { None };
        let reused = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            // Boxed, because it is rare and large: it would make every request as large.
            None => Box::pin(open_http1(means, endpoint)).await?,
        };
        let mut request = head.request(Hop::Http1, &endpoint.authority, body(source)?);
        framing::announce_body(&mut request, source.is_some());
        match connection.sender.try_send_request(request).await {
            Ok(response) => {
                let (endpoint, keep) = (Rc::clone(endpoint), means.keep);
                let hold = Hold::Http1 { connection, endpoint, keep };
                let lease = Lease { hold, busy, _place: Some(place) };
                return Ok(Sent { response, lease });
            }
            // Each round takes one kept connection away, so this ends.
            Err(unsent) if reused && unsent.message().is_some() => {}
            Err(failed) => return Err(judge_http1(failed.into_error(), reused)),
        }
    }
}

/// Sends a request that wants its connection to become something else, on a connection of its own.
/// Extended CONNECT stays on HTTP/2, where a stream is a connection of its own.
///
/// # Errors
/// As [`send`].
pub async fn send_alone(
    means: Means<'_>,
    endpoint: &Rc<Endpoint>,
    head: &Head,
    source: Option<&Rc<Source>>,
    wish: &Wish,
) -> Result<Sent, Failure> {
    if head.version == Version::HTTP_2 {
        return send(means, endpoint, head, source).await;
    }
    let busy = endpoint.enter();
    let mut connection = open_http1(means, endpoint).await?;
    let mut request = head.request(Hop::Http1, &endpoint.authority, body(source)?);
    framing::announce_body(&mut request, source.is_some());
    if let Some(protocol) = &wish.protocol {
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let response = connection.sender.send_request(request).await;
    let response = response.map_err(|error| blame(Failure::Broken(error), source))?;
    let hold = Hold::Http1 { connection, endpoint: Rc::clone(endpoint), keep: false };
    // It may live for as long as its client, and has a place among the connections.
    let lease = Lease { hold, busy, _place: None };
    clear(refused(Sent { response, lease }, endpoint)?, true)
}

async fn open_http1(means: Means<'_>, endpoint: &Endpoint) -> Result<Http1Connection, Failure> {
    let begun = async {
        let stream = connect::open(means.tls, endpoint, Carries::Http1).await?;
        begin_http1(stream).await
    };
    let begun = connect::within(means.patience, begun).await.and_then(|begun| begun);
    begun.map_err(|error| Failure::Connect(Rc::new(error)))
}

fn body(source: Option<&Rc<Source>>) -> Result<RequestBody, Failure> {
    match source {
        Some(source) => source.begin().ok_or(Failure::BodyGone),
        None => Ok(RequestBody::empty()),
    }
}

/// A stream that was refused, or lies beyond the last one a closing peer takes, was not worked on
/// (RFC 9113, section 8.7).
fn judge_http2(error: hyper::Error) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    match cause.filter(|cause| cause.is_remote()).and_then(|cause| Some((cause, cause.reason()?))) {
        Some((cause, h2::Reason::REFUSED_STREAM)) if cause.is_reset() => Failure::NotProcessed,
        Some((cause, h2::Reason::NO_ERROR)) if cause.is_go_away() => Failure::Closing,
        Some(_) | None => Failure::Broken(error),
    }
}

/// Whether the other side reset the connection.
#[must_use]
pub fn is_reset(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::ConnectionReset)
}

fn judge_http1(error: hyper::Error, reused: bool) -> Failure {
    let reset = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let gone = error.is_incomplete_message() || error.is_canceled() || reset.is_some();
    if reused && gone { Failure::Stale } else { Failure::Broken(error) }
}

/// How many connections may turn out to be closing before we call it a refusal.
const UNSENT: usize = 4;
