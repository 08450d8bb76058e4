//! Carries one request of the pod's to an endpoint, and the response back.
//!
//! route → pick → send, and once more elsewhere if it provably was not worked on. What makes an
//! attempt at another endpoint safe is decided in [`may_repeat`]; at the same one, where it is sent
//! (`http/send.rs`).

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
        Local, at_once,
        body::{KEPT, ResponseBody, Source},
        exchange::{Exchange, Held},
        head::Head,
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
    mut in_request: Option<InRequest>,
) -> Local<Result<Response<ResponseBody>, h2::Error>> {
    // Boxed, because it is rare.
    let wish = Wish::of(&mut request).map(Box::new);
    let (parts, body) = request.into_parts();
    let mut head = Head::from_parts(parts);
    head.strip_claims();
    let span = caller.worker.begin_span(&mut head, Kind::Client);
    let source = Source::new(body, head.version, &mut in_request);
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
        return at_once(Ok(malformed(&exchange, head.version)));
    }
    let backend = match routed {
        Ok((backend, _)) => backend,
        Err(reason) => return at_once(Ok(answer(&exchange, reason))),
    };
    exchange.directed(Rc::clone(&backend.recorder), None, None);
    if caller.worker.is_spent(exchange.started()) {
        return at_once(Ok(answer(&exchange, Reason::Overloaded)));
    }
    if let Some(source) = &source
        && caller.worker.is_short_of_memory(exchange.started())
    {
        source.keep_nothing();
    }
    let trip = Trip { caller, backend, head, source };
    Box::pin(trip.make(exchange, wish))
}

/// A request and where it is to go.
struct Trip {
    caller: Rc<Caller>,
    backend: Rc<BackendView>,
    head: Head,
    source: Option<Rc<Source>>,
}

/// What a trip has been through; nearly always nothing.
#[derive(Default)]
struct Attempts {
    tried: Tried,
    /// An endpoint that may yet be there.
    slow: Option<Rc<Member>>,
}

impl Trip {
    #[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
    fn make(
        self,
        mut exchange: Exchange,
        wish: Option<Box<Wish>>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, h2::Error>> {
        async move {
            let group = self.backend.draw(Drawn::Request);
            let (mut made, mut began) = (Attempts::default(), exchange.started());
            loop {
                let Some((member, patience)) = self.next(group, &mut made, began) else {
                    let reason = self.nobody(&mut exchange, group, &made);
                    return Ok(answer(&exchange, reason));
                };
                let (recorder, row) = (member.recorder(&self.caller.worker), member.row.clone());
                exchange.directed(recorder, row, Some(member.endpoint.address));
                let means = self.means(patience, &made);
                let failure = match self.attempt(&member, &means, wish.as_deref(), began).await {
                    Ok(sent) => return Ok(self.pass_on(exchange, &member, sent, wish)),
                    Err(failure) => failure,
                };
                let attempt = (member, patience);
                if let Some(reason) = self.after(&mut exchange, &mut made, attempt, &failure) {
                    return Ok(answer(&exchange, reason));
                }
                began = Instant::now();
            }
        }
    }

    /// What is answered after an attempt that came to nothing, unless there is another.
    fn after(
        &self,
        exchange: &mut Exchange,
        made: &mut Attempts,
        (member, patience): (Rc<Member>, Option<Duration>),
        failure: &Failure,
    ) -> Option<Reason> {
        let address = member.endpoint.address;
        debug!(%address, ?failure, "attempt failed");
        made.tried.note(address);
        let is_verdict = failure.is_verdict();
        if matches!(failure, Failure::Connect(_)) && !is_verdict && patience.is_some() {
            made.slow.get_or_insert(member);
        }
        let again = made.tried.has_room() || made.slow.is_some();
        if !again || !may_repeat(failure) {
            return Some(reason(failure));
        }
        exchange.attempt_failed(is_verdict);
        self.caller.worker.count(Event::Replayed);
        None
    }

    /// Where the next attempt goes, and how long it waits for a connection. When there is no other
    /// endpoint left, the one that was only slow is waited for.
    fn next(
        &self,
        group: Group,
        made: &mut Attempts,
        now: Instant,
    ) -> Option<(Rc<Member>, Option<Duration>)> {
        let Attempts { tried, slow } = made;
        let pick = || self.backend.pick(&self.caller.worker, group, tried, now);
        let untried = tried.has_room().then(pick).flatten();
        let Some(member) = untried else {
            return slow.take().map(|member| (member, None));
        };
        let others = self.backend.has_others(group, tried, member.endpoint.address);
        let patience = (others && slow.is_none()).then_some(PATIENCE);
        Some((member, patience))
    }

    /// Why there is nobody to send it to. A base without endpoints is a failure of the base.
    fn nobody(&self, exchange: &mut Exchange, group: Group, made: &Attempts) -> Reason {
        if made.tried.is_any() {
            return Reason::Unreachable;
        }
        exchange.directed(Rc::clone(&self.backend.recorder), self.backend.row(group), None);
        Reason::NoEndpoint
    }

    /// What an attempt is made with. Whoever has `patience` has another endpoint to ask.
    fn means(&self, patience: Option<Duration>, made: &Attempts) -> Means<'_> {
        let is_short = self.source.is_none() || self.head.length().is_some_and(|it| it <= KEPT);
        let elsewhere = patience.is_some() && made.tried.has_room_for_two() && is_short;
        Means { tls: &self.caller.worker.plane.tls, keep: true, patience, elsewhere }
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
    fn attempt(
        &self,
        member: &Member,
        means: &Means<'_>,
        wish: Option<&Wish>,
        began: Instant,
    ) -> impl Future<Output = Result<Sent, Failure>> {
        async move {
            let (endpoint, source) = (&member.endpoint, self.source.as_ref());
            let sent = match wish {
                // Boxed for the sake of all others, which are smaller.
                Some(wish) => Box::pin(send_alone(means, endpoint, &self.head, source, wish)).await,
                None => send(means, endpoint, &self.head, source).await,
            };
            judge(&self.caller.worker, endpoint, sent.as_ref().err(), began);
            sent
        }
    }

    fn pass_on(
        &self,
        mut exchange: Exchange,
        member: &Member,
        sent: Sent,
        wish: Option<Box<Wish>>,
    ) -> Response<ResponseBody> {
        if let Some(source) = &self.source {
            source.let_go();
        }
        exchange.answered(sent.response.status().as_u16(), sent.response.headers());
        match wish {
            Some(wish) if is_agreed(&self.head.method, &sent.response) => {
                let recorder = member.recorder(&self.caller.worker);
                agree(*wish, sent, exchange, recorder, never())
            }
            Some(_) | None => sent.into_response(exchange),
        }
    }
}

/// Lets the endpoint's load know how the attempt went.
fn judge(worker: &Worker, endpoint: &Endpoint, failure: Option<&Failure>, began: Instant) {
    let now = Instant::now();
    match failure {
        Some(Failure::Connect(error)) if error.is_verdict() => {
            debug!(%error, source = ?std::error::Error::source(&**error), "no connection");
            worker.no_connection(error);
            endpoint.load.fail(now);
        }
        Some(Failure::Connect(error)) if matches!(**error, connect::Error::Exhausted(_)) => {
            worker.no_connection(error);
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
/// it.
fn may_repeat(failure: &Failure) -> bool {
    match failure {
        // What is missing here is missing for every endpoint.
        Failure::Connect(error) => !matches!(**error, connect::Error::Exhausted(_)),
        Failure::NotProcessed | Failure::Leaving | Failure::Closing => true,
        Failure::Stale
        | Failure::Broken(_)
        | Failure::BodyGone
        | Failure::BrokenOff
        | Failure::Garbled => false,
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
