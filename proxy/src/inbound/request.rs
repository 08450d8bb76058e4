//! Carries one request from elsewhere to the pod's application, and the response back.

use std::rc::Rc;

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use tracing::debug;

use super::{strict, visitor::Visitor};
use crate::{
    access_log::Entry,
    http::{
        CLIENT_CERTIFICATE, ELSEWHERE, FORWARDED_FOR, Local, at_once,
        body::{ResponseBody, Source},
        exchange::{Exchange, Held},
        head::Head,
        head_timer::InRequest,
        reply::{Reason, answer, leaving, malformed, not_processed},
        send::{Failure, Means, Sent, send, send_alone},
        upgrade::{Wish, agree, is_agreed},
    },
    trace::Kind,
};

/// Answers one request. What it is is found at once, and only what waits is put on the heap.
///
/// An error says that the application did not begin with it, which a peer's proxy takes as leave to
/// ask elsewhere.
pub(super) fn handle(
    visitor: Rc<Visitor>,
    mut request: Request<Incoming>,
    mut in_request: Option<InRequest>,
) -> Local<Result<Response<ResponseBody>, h2::Error>> {
    // Boxed, because it is rare.
    let wish = Wish::of(&mut request).map(Box::new);
    let carried = request.version();
    let (parts, body) = request.into_parts();
    let may_go_elsewhere = visitor.is_peer && parts.headers.contains_key(ELSEWHERE);
    let mut head = head(&visitor, parts);
    let span = visitor.worker.begin_span(&mut head, Kind::Server);
    let source = Source::new(body, carried, &mut in_request);
    let held = Held { in_flight: visitor.worker.gauge.enter(), in_request };
    let mut exchange = Exchange::begin(visitor.recorder(), &head, source.clone(), held);
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
        return at_once(Ok(malformed(&exchange, carried)));
    }
    if may_go_elsewhere && visitor.worker.plane.drain.is_draining() {
        // The application may be gone before it has taken the request, and nobody could tell.
        return at_once(Ok(leaving(&exchange)));
    }
    let began = exchange.started();
    if visitor.worker.is_spent(began) {
        return at_once(decline(&visitor, &exchange, carried, Reason::Overloaded));
    }
    if let Some(source) = &source
        && visitor.worker.is_short_of_memory(began)
    {
        source.keep_nothing();
    }
    let visit = Visit { visitor, carried, head, source };
    Box::pin(visit.make(exchange, wish))
}

/// A request that is for the application.
struct Visit {
    visitor: Rc<Visitor>,
    /// By which version it came.
    carried: Version,
    head: Head,
    source: Option<Rc<Source>>,
}

impl Visit {
    #[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
    fn make(
        self,
        exchange: Exchange,
        wish: Option<Box<Wish>>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, h2::Error>> {
        async move {
            let mut response = match self.attempt(wish.as_deref()).await {
                Ok(sent) => self.pass_on(exchange, sent, wish),
                Err(failure) => self.refuse(&exchange, &failure)?,
            };
            if self.carried != Version::HTTP_2
                && self.visitor.worker.plane.drain.is_draining()
                && !is_upgrade(&response)
            {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(response)
        }
    }

    /// What is said of a failure.
    fn refuse(
        &self,
        exchange: &Exchange,
        failure: &Failure,
    ) -> Result<Response<ResponseBody>, h2::Error> {
        Ok(match failure {
            Failure::Connect(_) | Failure::NotProcessed | Failure::Closing => {
                debug!(?failure, "the application did not begin with a request");
                let reason = judge(&self.visitor, failure);
                return decline(&self.visitor, exchange, self.carried, reason);
            }
            Failure::BrokenOff => answer(exchange, Reason::BrokenOff),
            Failure::Garbled => answer(exchange, Reason::Garbled),
            Failure::Leaving | Failure::Stale | Failure::Broken(_) | Failure::BodyGone => {
                debug!(?failure, "the application did not answer");
                answer(exchange, Reason::CutOff)
            }
        })
    }

    /// Asks the application. A connection that it was about to close is no answer, and it is asked
    /// once more if that is harmless. What it refused is not asked again here: somebody who has
    /// another endpoint may. What it is asked on while we drain is not used again, since it may be
    /// about to end.
    #[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
    fn attempt(&self, wish: Option<&Wish>) -> impl Future<Output = Result<Sent, Failure>> {
        async move {
            let plane = &self.visitor.worker.plane;
            let keep = !plane.drain.is_draining();
            let means = Means { tls: &plane.tls, keep, patience: None, elsewhere: false };
            let (application, source) = (&self.visitor.application, self.source.as_ref());
            if let Some(wish) = wish {
                // Boxed for the sake of all others, which are smaller.
                return Box::pin(send_alone(&means, application, &self.head, source, wish)).await;
            }
            {
                let sent = send(&means, application, &self.head, source).await;
                if !self.may_ask_again(&sent, keep) {
                    return sent;
                }
            }
            let means = Means { keep: false, ..means };
            Box::pin(send(&means, application, &self.head, source)).await
        }
    }

    fn may_ask_again(&self, sent: &Result<Sent, Failure>, keep: bool) -> bool {
        match sent {
            Err(Failure::Closing) => true,
            // An application that leaves resets what waits to be accepted.
            Err(Failure::Broken(error)) => !keep && error.is_reset() && self.head.is_idempotent(),
            Ok(_) | Err(_) => false,
        }
    }

    fn pass_on(
        &self,
        mut exchange: Exchange,
        sent: Sent,
        wish: Option<Box<Wish>>,
    ) -> Response<ResponseBody> {
        let visitor = &self.visitor;
        exchange.answered(sent.response.status().as_u16(), sent.response.headers());
        match wish {
            Some(wish) if is_agreed(&self.head.method, &sent.response) => {
                agree(*wish, sent, exchange, visitor.recorder(), strict::overdue(visitor))
            }
            Some(_) | None => sent.into_response(exchange),
        }
    }
}

/// Says that the application did not begin with a request.
fn decline(
    visitor: &Visitor,
    exchange: &Exchange,
    carried: Version,
    reason: Reason,
) -> Result<Response<ResponseBody>, h2::Error> {
    if !visitor.is_peer {
        return Ok(answer(exchange, reason));
    }
    let response = not_processed(exchange, reason);
    // Recorded like the answer that another client would have got.
    if carried == Version::HTTP_2 { Err(h2::Reason::REFUSED_STREAM.into()) } else { Ok(response) }
}

/// Why the application did not begin with a request, and who is to know.
fn judge(visitor: &Visitor, failure: &Failure) -> Reason {
    let Failure::Connect(error) = failure else { return Reason::Unreachable };
    visitor.worker.no_connection(error);
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

fn is_upgrade<B>(response: &Response<B>) -> bool {
    response.headers().contains_key(header::UPGRADE)
}
