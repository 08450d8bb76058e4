//! One attempt: sends a request to one endpoint and waits for the head of its response.
//!
//! What matters when it fails is whether the endpoint can have begun to work on it; only this
//! module says so.

mod failure;

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use tokio::time::Instant;

pub use self::failure::{Broken, Failure};
use self::failure::{judge_http1, judge_http2};
use super::{
    ELSEWHERE, LEAVING, NOT_PROCESSED,
    arriving::Arriving,
    body::{RequestBody, ResponseBody, Source},
    exchange::Exchange,
    framing,
    head::{Head, Hop, strip_claims, strip_hop},
    http2::Asked,
    marks::Marks,
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
    pub response: Response<Arriving>,
    /// What its head has that is not passed on.
    pub marks: Marks,
    /// What is to be given back at its end.
    pub lease: Lease,
}

/// A response as it came.
type Answered = (Response<Arriving>, Lease);

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

impl Sent {
    /// The response as it is passed on, which ends `exchange` when it has ended.
    #[must_use]
    pub fn into_response(self, exchange: Exchange) -> Response<ResponseBody> {
        let Self { response, marks, lease } = self;
        let (mut parts, body) = response.into_parts();
        strip_hop(&mut parts.headers, marks);
        strip_claims(&mut parts.headers, marks);
        Response::from_parts(parts, ResponseBody::streamed(body, exchange, lease))
    }
}

impl Lease {
    /// Gives the connection back for the next request: the response has ended, `now`, as it should.
    pub fn give_back(self, now: Instant) {
        let Self { hold, busy, _place } = self;
        drop(busy);
        match hold {
            Hold::Http1 { connection, endpoint, keep: true } => {
                endpoint.http1.give(connection, now);
            }
            Hold::Http1 { .. } | Hold::Http2 { .. } => {}
        }
    }
}

/// Sends a request with the body of `source` to `endpoint`.
///
/// # Errors
/// [`Failure`] says whether it may be sent again. Dropping the future cancels the request.
#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
pub fn send(
    means: &Means<'_>,
    endpoint: &Rc<Endpoint>,
    head: &Head,
    source: Option<&Rc<Source>>,
) -> impl Future<Output = Result<Sent, Failure>> {
    async move {
        let sent = match hop(endpoint, head) {
            hop @ (Hop::Http1 | Hop::MeshHttp1) => {
                send_http1(means, endpoint, hop, head, source).await
            }
            hop @ (Hop::Mesh | Hop::Http2) => send_http2(means, endpoint, hop, head, source).await,
        };
        let (response, lease) = sent.map_err(|failure| blame(failure, source))?;
        clear(refused(response, endpoint)?, lease, head.method == Method::CONNECT)
    }
}

/// What fails after the client broke its request off fails because of that.
fn blame(failure: Failure, source: Option<&Rc<Source>>) -> Failure {
    let is_broken_off = source.is_some_and(|source| source.is_broken_off());
    if is_broken_off { Failure::BrokenOff } else { failure }
}

/// The mark of the other side's proxy that nobody has begun to work on the request; from anyone
/// else it means nothing.
fn refused(
    response: Response<Arriving>,
    endpoint: &Endpoint,
) -> Result<Response<Arriving>, Failure> {
    let may_be = response.status() == StatusCode::SERVICE_UNAVAILABLE
        && matches!(endpoint.transport, Transport::Mesh(_));
    match may_be.then(|| response.headers().get(NOT_PROCESSED)).flatten() {
        Some(why) if *why == LEAVING => Err(Failure::Leaving),
        Some(_) => Err(Failure::NotProcessed),
        None => Ok(response),
    }
}

/// What a server says, if the client can be told the same. The version it says it in is of its own
/// hop (RFC 9110, section 6.2), as is whether the connection is kept.
fn clear(
    mut response: Response<Arriving>,
    lease: Lease,
    upgrade_asked: bool,
) -> Result<Sent, Failure> {
    *response.version_mut() = Version::HTTP_11;
    let (status, headers) = (response.status(), response.headers_mut());
    let marks = Marks::of(headers);
    let is_clear = framing::is_clear_response(status, headers, marks, upgrade_asked);
    if is_clear { Ok(Sent { response, marks, lease }) } else { Err(Failure::Garbled) }
}

/// Servers are spoken to as their client speaks; between proxies requests share connections, unless
/// names of headers are to arrive as they were written, which HTTP/2 has in lower case only.
fn hop(endpoint: &Endpoint, head: &Head) -> Hop {
    match endpoint.transport {
        Transport::Mesh(_) if head.keeps_case() => Hop::MeshHttp1,
        Transport::Mesh(_) => Hop::Mesh,
        Transport::Plain | Transport::Application if head.version == Version::HTTP_2 => Hop::Http2,
        Transport::Plain | Transport::Application => Hop::Http1,
    }
}

#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn send_http2(
    means: &Means<'_>,
    endpoint: &Rc<Endpoint>,
    hop: Hop,
    head: &Head,
    source: Option<&Rc<Source>>,
) -> impl Future<Output = Result<Answered, Failure>> {
    async move {
        let busy = endpoint.enter();
        // Why the last attempt came to nothing: nobody can have begun to work on it.
        let (mut unsent, mut left, mut closing) = (None, UNSENT, CLOSING);
        while left > 0 && closing > 0 {
            let taken = Http2Pool::take(endpoint, means.tls, means.patience).await;
            let lease = taken.map_err(Failure::Connect)?;
            // Before anything is sent: what is not there any more was sent before.
            let Ok(body) = body(source) else { return Err(unsent.unwrap_or(Failure::BodyGone)) };
            let may_be_too_much = lease.may_be_too_much();
            let asked = match begin_http2(&lease, means, hop, head, source.is_some()) {
                Ok(asked) => asked,
                // A connection that is told to close refuses what it is given before it is marked
                // as closed.
                Err(error) if error.is_io() || error.is_go_away() => {
                    closing -= 1;
                    continue;
                }
                Err(error) => return Err(Failure::Broken(Broken::Http2(error))),
            };
            match asked.answer(body).await.map_err(judge_http2) {
                Ok(response) => {
                    lease.settle();
                    let hold = Hold::Http2 { _place: lease };
                    return Ok((response, Lease { hold, busy, _place: None }));
                }
                // Left out by a server that goes on with its next connection. A peer's proxy says
                // so only when its pod leaves.
                Err(Failure::Closing) if hop == Hop::Http2 || means.patience.is_none() => {
                    unsent = Some(Failure::Closing);
                }
                // What a server says of its limit has arrived with its refusal: now this waits.
                Err(Failure::NotProcessed) if hop == Hop::Http2 && may_be_too_much => {
                    lease.settle();
                    unsent = Some(Failure::NotProcessed);
                }
                Err(failure) => return Err(failure),
            }
            left -= 1;
        }
        Err(unsent.unwrap_or(Failure::Closing))
    }
}

fn begin_http2(
    lease: &Http2Lease,
    means: &Means<'_>,
    hop: Hop,
    head: &Head,
    has_body: bool,
) -> Result<Asked, h2::Error> {
    Asked::begin(lease, request(means, lease.address(), hop, head, ()), has_body)
}

#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn send_http1(
    means: &Means<'_>,
    endpoint: &Rc<Endpoint>,
    hop: Hop,
    head: &Head,
    source: Option<&Rc<Source>>,
) -> impl Future<Output = Result<Answered, Failure>> {
    async move {
        let busy = endpoint.enter();
        let place = endpoint.places.take(means.patience).await;
        let place = place.map_err(|error| Failure::Connect(Rc::new(error)))?;
        let mut may_be_kept = means.keep;
        loop {
            let case = head.keeps_case();
            let kept = if may_be_kept { endpoint.http1.take(case) } else { None };
            let (mut connection, reused) = match kept {
                Some(connection) => (connection, true),
                // Boxed, because it is rare and large: it would make every request as large.
                None => (Box::pin(open_http1(means, endpoint, head)).await?, false),
            };
            // Made where it is given away, so that the future has no room for it.
            let sent = connection
                .sender
                .try_send_request(http1_request(means, endpoint, hop, head, source)?);
            match sent.await {
                Ok(response) => {
                    let (endpoint, keep) = (Rc::clone(endpoint), means.keep);
                    let hold = Hold::Http1 { connection, endpoint, keep };
                    let lease = Lease { hold, busy, _place: Some(place) };
                    return Ok((response.map(by_http1), lease));
                }
                // Each round takes one kept connection away, so this ends.
                Err(unsent) if reused && unsent.message().is_some() => {}
                Err(failed) => match judge_http1(failed.into_error(), reused) {
                    // The server may have worked on it, which is harmless.
                    Failure::Stale if head.is_idempotent() => may_be_kept = false,
                    failure => return Err(failure),
                },
            }
        }
    }
}

fn http1_request(
    means: &Means<'_>,
    endpoint: &Endpoint,
    hop: Hop,
    head: &Head,
    source: Option<&Rc<Source>>,
) -> Result<Request<RequestBody>, Failure> {
    let mut request = request(means, endpoint.address, hop, head, body(source)?);
    framing::announce_body(&mut request, source.is_some());
    Ok(request)
}

/// The request as it is sent, to whoever is at `address` if the client did not say whom it asks.
fn request<B>(
    means: &Means<'_>,
    address: SocketAddr,
    hop: Hop,
    head: &Head,
    body: B,
) -> Request<B> {
    let mut request = head.request(hop, address, body);
    if matches!(hop, Hop::Mesh | Hop::MeshHttp1) && means.elsewhere {
        request.headers_mut().insert(ELSEWHERE, HeaderValue::from_static("1"));
    }
    request
}

/// Sends a request that wants its connection to become something else, on a connection of its own.
/// Extended CONNECT stays on HTTP/2, where a stream is a connection of its own.
///
/// # Errors
/// As [`send`].
pub async fn send_alone(
    means: &Means<'_>,
    endpoint: &Rc<Endpoint>,
    head: &Head,
    source: Option<&Rc<Source>>,
    wish: &Wish,
) -> Result<Sent, Failure> {
    if head.version == Version::HTTP_2 {
        return send(means, endpoint, head, source).await;
    }
    let busy = endpoint.enter();
    let mut connection = open_http1(means, endpoint, head).await?;
    let mut request = http1_request(means, endpoint, Hop::Http1, head, source)?;
    if let Some(protocol) = &wish.protocol {
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let response = connection.sender.send_request(request).await;
    let broken = |error| blame(Failure::Broken(Broken::Http1(error)), source);
    let response = response.map_err(broken)?.map(by_http1);
    let hold = Hold::Http1 { connection, endpoint: Rc::clone(endpoint), keep: false };
    // It may live for as long as its client, and has a place among the connections.
    let lease = Lease { hold, busy, _place: None };
    clear(refused(response, endpoint)?, lease, true)
}

async fn open_http1(
    means: &Means<'_>,
    endpoint: &Endpoint,
    head: &Head,
) -> Result<Http1Connection, Failure> {
    let begun = async {
        let stream = connect::open(means.tls, endpoint, Carries::Http1).await?;
        begin_http1(stream, head.keeps_case()).await
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

const fn by_http1(incoming: hyper::body::Incoming) -> Arriving {
    Arriving::message(incoming, Version::HTTP_11)
}

/// How many connections may turn out to be closing: as many as there may be.
const CLOSING: usize = 64;
/// How often a server may leave a request out before we call it a refusal.
const UNSENT: usize = 4;
