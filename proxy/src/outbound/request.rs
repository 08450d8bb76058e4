//! Carries one request of the pod's to an endpoint, and the response back.
//!
//! route → pick → send, and once more elsewhere if it provably was not worked on. What makes a
//! second attempt safe is decided in [`may_repeat`] and nowhere else.

use std::{rc::Rc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use model::service::Group;
use tokio::time::Instant;
use tracing::debug;

use super::{
    Caller,
    view::{BackendView, Drawn, Member, Tried},
};
use crate::{
    access_log::Entry,
    http::{
        Local,
        body::{KEPT, ResponseBody, Source},
        exchange::{Exchange, Held},
        head::{Head, strip_claims, strip_hop},
        head_timer::InRequest,
        reply::{Reason, answer, malformed},
        send::{Failure, Means, Sent, send, send_alone},
        serve::never,
        upgrade::{Wish, agree, is_agreed},
    },
    metrics::Event,
    pool::{Endpoint, connect},
    trace::Kind,
    worker::Worker,
};

/// Answers one request. Where it goes is found at once, and only what waits is put on the heap.
pub(super) fn handle(
    caller: Rc<Caller>,
    mut request: Request<Incoming>,
    in_request: Option<InRequest>,
) -> Local<Result<Response<ResponseBody>, h2::Error>> {
    let wish = Wish::of(&mut request);
    let (parts, body) = request.into_parts();
    let mut head = Head::from_parts(parts);
    head.strip_claims();
    let span = caller.worker.begin_span(&mut head, Kind::Client);
    let in_request = in_request.map(Rc::new);
    let source = Source::new(body, head.version, in_request.clone());
    let held = Held { in_flight: caller.worker.gauge.enter(), in_request };
    let view = caller.view();
    let recorder = Rc::clone(&view.recorder);
    let mut exchange = Exchange::begin(recorder, &head, source.clone(), held);
    if let Some(span) = span {
        exchange.trace(span);
    }
    let routed = view.route(&head.method, &head.uri, &head.headers);
    if let Some(log) = caller.worker.access_log() {
        let (client, original) = (caller.client, Some(caller.original));
        let route = routed.as_ref().ok().and_then(|(_, route)| Some(route.as_ref()?.name.clone()));
        let service = routed.as_ref().ok().map(|(backend, _)| backend.id.to_string());
        exchange.log(log, Entry { client, original, route, service, ..Entry::new(&head) });
    }
    if !head.is_well_formed() {
        return here(malformed(&exchange, head.version));
    }
    let backend = match routed {
        Ok((backend, _)) => backend,
        Err(reason) => return here(answer(&exchange, reason)),
    };
    exchange.directed(Rc::clone(&backend.recorder), None, None);
    let trip = Trip { caller, backend, head, source };
    Box::pin(async move { Ok(trip.make(exchange, wish).await) })
}

/// An answer of our own.
fn here(answer: Response<ResponseBody>) -> Local<Result<Response<ResponseBody>, h2::Error>> {
    Box::pin(std::future::ready(Ok(answer)))
}

/// A request and where it is to go.
struct Trip {
    caller: Rc<Caller>,
    backend: Rc<BackendView>,
    head: Head,
    source: Option<Rc<Source>>,
}

impl Trip {
    async fn make(&self, mut exchange: Exchange, wish: Option<Wish>) -> Response<ResponseBody> {
        let worker = &self.caller.worker;
        let group = self.backend.draw(Drawn::Request);
        let (mut tried, mut slow) = (Tried::default(), None);
        let mut began = exchange.started();
        loop {
            let Some((member, patience)) = self.next(group, &tried, &mut slow, began) else {
                let reason = self.nobody(&mut exchange, group, &tried);
                return answer(&exchange, reason);
            };
            let address = member.endpoint.address;
            exchange.directed(member.recorder(worker), member.row.clone(), Some(address));
            let means = self.means(patience, &tried);
            let failure = match self.attempt(&member, means, wish.as_ref(), began).await {
                Ok(sent) => return self.pass_on(exchange, &member, sent, wish),
                Err(failure) => failure,
            };
            debug!(%address, ?failure, "attempt failed");
            tried.note(address);
            let is_verdict = failure.is_verdict();
            if matches!(failure, Failure::Connect(_)) && !is_verdict && patience.is_some() {
                slow.get_or_insert(member);
            }
            let again = tried.has_room() || slow.is_some();
            if !again || !may_repeat(&failure, &self.head) {
                return answer(&exchange, reason(&failure));
            }
            exchange.attempt_failed(is_verdict);
            began = Instant::now();
            worker.count(Event::Replayed);
        }
    }

    /// Where the next attempt goes, and how long it waits for a connection. When there is no other
    /// endpoint left, the one that was only slow is waited for.
    fn next(
        &self,
        group: Group,
        tried: &Tried,
        slow: &mut Option<Rc<Member>>,
        now: Instant,
    ) -> Option<(Rc<Member>, Option<Duration>)> {
        let worker = &self.caller.worker;
        let pick = || self.backend.pick(worker, group, tried, now);
        let untried = tried.has_room().then(pick).flatten();
        let Some(member) = untried else {
            return slow.take().map(|member| (member, None));
        };
        let others = self.backend.has_others(group, tried, member.endpoint.address);
        let patience = (others && slow.is_none()).then_some(PATIENCE);
        Some((member, patience))
    }

    /// Why there is nobody to send it to. A base without endpoints is a failure of the base.
    fn nobody(&self, exchange: &mut Exchange, group: Group, tried: &Tried) -> Reason {
        if tried.is_any() {
            return Reason::Unreachable;
        }
        exchange.directed(Rc::clone(&self.backend.recorder), self.backend.row(group), None);
        Reason::NoEndpoint
    }

    /// What an attempt is made with. Whoever has `patience` has another endpoint to ask.
    fn means(&self, patience: Option<Duration>, tried: &Tried) -> Means<'_> {
        let is_short = self.source.is_none() || self.head.length().is_some_and(|it| it <= KEPT);
        let elsewhere = patience.is_some() && tried.has_room_for_two() && is_short;
        Means { tls: &self.caller.worker.plane.tls, keep: true, patience, elsewhere }
    }

    async fn attempt(
        &self,
        member: &Member,
        means: Means<'_>,
        wish: Option<&Wish>,
        began: Instant,
    ) -> Result<Sent, Failure> {
        let worker = &self.caller.worker;
        let (endpoint, source) = (&member.endpoint, self.source.as_ref());
        let sent = match wish {
            // Boxed for the sake of all others, which are smaller.
            Some(wish) => Box::pin(send_alone(means, endpoint, &self.head, source, wish)).await,
            None => send(means, endpoint, &self.head, source).await,
        };
        judge(worker, &member.endpoint, sent.as_ref().err(), began);
        sent
    }

    fn pass_on(
        &self,
        mut exchange: Exchange,
        member: &Member,
        sent: Sent,
        wish: Option<Wish>,
    ) -> Response<ResponseBody> {
        if let Some(source) = &self.source {
            source.let_go();
        }
        let Sent { response, lease } = sent;
        exchange.answered(response.status().as_u16(), response.headers());
        match wish {
            Some(wish) if is_agreed(&self.head.method, &response) => {
                let recorder = member.recorder(&self.caller.worker);
                agree(wish, response, exchange, recorder, lease, never())
            }
            Some(_) | None => {
                let (mut parts, body) = response.into_parts();
                strip_hop(&mut parts.headers);
                strip_claims(&mut parts.headers);
                Response::from_parts(parts, ResponseBody::streamed(body, exchange, lease))
            }
        }
    }
}

/// Lets the endpoint's load know how the attempt went.
fn judge(worker: &Worker, endpoint: &Endpoint, failure: Option<&Failure>, began: Instant) {
    let now = Instant::now();
    match failure {
        Some(Failure::Connect(error)) if error.is_verdict() => {
            debug!(%error, source = ?std::error::Error::source(&**error), "no connection");
            let refused = error.is_about_identity();
            worker.count(if refused { Event::RefusedServer } else { Event::ConnectFailed });
            endpoint.load.fail(now);
        }
        Some(Failure::Connect(error)) if let connect::Error::Exhausted(why) = &**error => {
            worker.exhausted(why);
        }
        Some(
            Failure::NotProcessed
            | Failure::Leaving
            | Failure::Closing
            | Failure::Broken(_)
            | Failure::Garbled,
        ) => {
            endpoint.load.fail(now);
        }
        None | Some(Failure::Connect(_)) => endpoint.load.observe(now - began, now),
        Some(Failure::Stale | Failure::BodyGone | Failure::BrokenOff) => {}
    }
}

/// Whether the request may be sent to another endpoint. It may if nobody can have begun to work on
/// it, or if working on it twice is the same as once (RFC 9110, section 9.2.2).
fn may_repeat(failure: &Failure, head: &Head) -> bool {
    match failure {
        // What is missing here is missing for every endpoint.
        Failure::Connect(error) => !matches!(**error, connect::Error::Exhausted(_)),
        Failure::NotProcessed | Failure::Leaving | Failure::Closing => true,
        Failure::Stale => head.is_idempotent(),
        Failure::Broken(_) | Failure::BodyGone | Failure::BrokenOff | Failure::Garbled => false,
    }
}

fn reason(failure: &Failure) -> Reason {
    match failure {
        Failure::Connect(error) if error.is_overload() => Reason::Overloaded,
        Failure::Connect(_) | Failure::NotProcessed | Failure::Leaving | Failure::Closing => {
            Reason::Unreachable
        }
        Failure::Stale | Failure::Broken(_) | Failure::BodyGone => Reason::CutOff,
        Failure::BrokenOff => Reason::BrokenOff,
        Failure::Garbled => Reason::Garbled,
    }
}

/// How long a request waits for a connection while there is another endpoint to ask: many times
/// what a round trip and a handshake take, and a fraction of what a pod that is gone costs.
const PATIENCE: Duration = Duration::from_millis(300);
