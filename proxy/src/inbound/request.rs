//! Carries one request from elsewhere to the pod's application, and the response back.

use std::rc::Rc;

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use tracing::debug;

use super::{strict, visitor::Visitor};
use crate::{
    access_log::Entry,
    http::{
        CLIENT_CERTIFICATE, ELSEWHERE, FORWARDED_FOR,
        body::{ResponseBody, Source},
        exchange::{Exchange, Held},
        head::Head,
        head_timer::InRequest,
        reply::{Reason, answer, leaving, malformed, not_processed},
        send::{Failure, Means, Sent, send, send_alone},
        upgrade::{Wish, agree, is_agreed},
    },
    metrics::Event,
    pool::connect,
    trace::Kind,
};

/// Answers one request.
///
/// # Errors
/// That the application did not begin with it, which a peer's proxy takes as leave to ask
/// elsewhere.
pub(super) async fn handle(
    visitor: Rc<Visitor>,
    mut request: Request<Incoming>,
    mut in_request: Option<InRequest>,
) -> Result<Response<ResponseBody>, h2::Error> {
    let wish = Wish::of(&mut request);
    let carried = request.version();
    let (parts, body) = request.into_parts();
    let may_go_elsewhere = visitor.is_peer && parts.headers.contains_key(ELSEWHERE);
    let mut head = head(&visitor, parts);
    let span = visitor.worker.begin_span(&mut head, Kind::Server);
    let source = Source::new(body, carried, &mut in_request);
    let held = Held { in_flight: visitor.worker.gauge.enter(), in_request };
    let recorder = visitor.recorder();
    let mut exchange = Exchange::begin(recorder, &head, source.clone(), held);
    if let Some(mut span) = span {
        span.peer = Some(visitor.arrived.client);
        exchange.trace(span);
    }
    if let Some(log) = visitor.worker.access_log() {
        let (client, original) = (Some(visitor.arrived.client), Some(visitor.arrived.original));
        let (upstream, service) = (original, visitor.service.clone());
        exchange.log(log, Entry { client, original, upstream, service, ..Entry::new(&head) });
    }
    if !head.is_well_formed() {
        return Ok(malformed(&exchange, carried));
    }
    if may_go_elsewhere && visitor.worker.plane.drain.is_draining() {
        // The application may be gone before it has taken the request, and nobody could tell.
        return Ok(leaving(&exchange));
    }
    let mut response = match attempt(&visitor, &head, source.as_ref(), wish.as_ref()).await {
        Ok(sent) => pass_on(&visitor, exchange, &head, sent, wish),
        Err(failure @ (Failure::Connect(_) | Failure::NotProcessed | Failure::Closing)) => {
            debug!(?failure, "the application did not begin with a request");
            let reason = judge(&visitor, &failure);
            if visitor.is_peer && carried == Version::HTTP_2 {
                // Recorded like the answer that another client would have got.
                drop(not_processed(&exchange, reason));
                return Err(h2::Reason::REFUSED_STREAM.into());
            }
            if visitor.is_peer {
                not_processed(&exchange, reason)
            } else {
                answer(&exchange, reason)
            }
        }
        Err(Failure::BrokenOff) => answer(&exchange, Reason::BrokenOff),
        Err(Failure::Garbled) => answer(&exchange, Reason::Garbled),
        Err(failure) => {
            debug!(?failure, "the application did not answer");
            answer(&exchange, Reason::CutOff)
        }
    };
    if carried != Version::HTTP_2
        && visitor.worker.plane.drain.is_draining()
        && !is_upgrade(&response)
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Why the application did not begin with a request, and who is to know.
fn judge(visitor: &Visitor, failure: &Failure) -> Reason {
    let Failure::Connect(error) = failure else { return Reason::Unreachable };
    if let connect::Error::Exhausted(why) = &**error {
        visitor.worker.exhausted(why);
    } else if error.is_verdict() {
        visitor.worker.count(Event::ConnectFailed);
    }
    if error.is_overload() { Reason::Overloaded } else { Reason::Unreachable }
}

/// The request's head as the application is to see it. What a client claims to have proven is its
/// own invention; what a peer's proxy says of the client's HTTP is believed.
fn head(visitor: &Visitor, parts: http::request::Parts) -> Head {
    let mut head = Head::from_parts(parts);
    if visitor.is_peer {
        head.restore_version();
    }
    head.strip_claims();
    if let Some(certificate) = &visitor.certificate {
        head.headers.insert(CLIENT_CERTIFICATE, certificate.clone());
    }
    if let Some(client) = &visitor.forwarded_for {
        head.headers.append(FORWARDED_FOR, client.clone());
    }
    head
}

/// Asks the application. An idle connection that it closed at the same time is no answer, nor is
/// one that it was about to close, and it is asked once more if that is harmless. What it refused
/// is not asked again here: somebody who has another endpoint may. What it is asked on while we
/// drain is not used again, since it may be about to end.
async fn attempt(
    visitor: &Visitor,
    head: &Head,
    source: Option<&Rc<Source>>,
    wish: Option<&Wish>,
) -> Result<Sent, Failure> {
    let plane = &visitor.worker.plane;
    let keep = !plane.drain.is_draining();
    let means = Means { tls: &plane.tls, keep, patience: None, elsewhere: false };
    let application = &visitor.application;
    if let Some(wish) = wish {
        // Boxed for the sake of all others, which are smaller.
        return Box::pin(send_alone(means, application, head, source, wish)).await;
    }
    let sent = send(means, application, head, source).await;
    let again = match &sent {
        Err(Failure::Closing) => true,
        Err(Failure::Stale) => head.is_idempotent(),
        // An application that leaves resets what waits to be accepted.
        Err(Failure::Broken(error)) => !keep && error.is_reset() && head.is_idempotent(),
        Ok(_) | Err(_) => false,
    };
    if !again {
        return sent;
    }
    Box::pin(send(Means { keep: false, ..means }, application, head, source)).await
}

fn pass_on(
    visitor: &Visitor,
    mut exchange: Exchange,
    head: &Head,
    sent: Sent,
    wish: Option<Wish>,
) -> Response<ResponseBody> {
    exchange.answered(sent.response.status().as_u16(), sent.response.headers());
    match wish {
        Some(wish) if is_agreed(&head.method, &sent.response) => {
            agree(wish, sent, exchange, visitor.recorder(), strict::overdue(visitor))
        }
        Some(_) | None => sent.into_response(exchange),
    }
}

fn is_upgrade<B>(response: &Response<B>) -> bool {
    response.headers().contains_key(header::UPGRADE)
}
