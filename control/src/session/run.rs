//! One session: an event loop around the ledger. It ends when the proxy leaves, says nothing, does
//! not take what it is sent, or is replaced by a newer stream of the same pod.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use model::{key::Key, resource::Resource};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wire::{
    Encoded,
    message::{FromControl, Held, Hello, Leaf, Report, Rows, Settings, ToControl},
    server::{Incoming, Interrupted, Refusal},
};

use super::{
    Sources,
    ledger::{Ledger, Offer},
};
use crate::{
    report::{Proxy, Registry, Standing},
    view::{Asker, View},
};

/// What one session holds.
#[derive(Debug)]
pub(super) struct Session {
    asker: Asker,
    sources: Sources,
    ledger: Ledger,
    outgoing: mpsc::Sender<Result<FromControl<Encoded>, Refusal>>,
    settings: Option<Settings>,
    leaf: Option<Leaf>,
    due: Due,
}

/// What is to happen when.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Everything is resolved anew; nothing: no view is newer.
    round: Option<Instant>,
    /// Rounds are this far apart at least.
    next_round: Instant,
    /// The registry is told; nothing: nothing changed.
    standing: Option<Instant>,
    /// The proxy has said nothing for too long.
    silence: Instant,
    /// Something waits, and the connection takes nothing; nothing: nothing waits.
    stuck: Option<Instant>,
    /// The replica stops, and the proxy is asked to go elsewhere; nothing: it does not stop.
    leave: Option<Instant>,
}

/// Why a session ended.
#[derive(Clone, Debug)]
enum Ending {
    Left,
    Replaced,
    Refused(Refusal),
}

impl Session {
    pub(super) fn new(
        asker: Asker,
        sources: Sources,
        outgoing: mpsc::Sender<Result<FromControl<Encoded>, Refusal>>,
    ) -> Self {
        let now = Instant::now();
        let due = Due {
            round: None,
            next_round: now,
            standing: Some(now),
            silence: now + SILENCE,
            stuck: None,
            leave: None,
        };
        let (ledger, settings, leaf) = (Ledger::default(), None, None);
        Self { asker, sources, ledger, outgoing, settings, leaf, due }
    }
}

/// Runs a session to its end. Dropping the future ends it without telling anyone but the registry.
pub(super) async fn run(
    mut session: Session,
    hello: &Hello,
    incoming: Incoming<ToControl>,
    registry: Registry,
    stop: CancellationToken,
) {
    let meter = session.sources.meter.clone();
    let proxy = registry.open(hello).await;
    let pod = format!("{}/{}", hello.namespace, hello.pod_name);
    info!(%pod, version = %hello.version, "proxy connected");
    meter.sessions.inc();
    let ending = serve(&mut session, incoming, &proxy, &stop).await;
    meter.sessions.dec();
    let (reason, refusal) = match ending {
        Ending::Left => ("left", None),
        Ending::Replaced => {
            ("replaced", Some(Refusal::Unavailable("a newer stream is open".into())))
        }
        Ending::Refused(refusal) => (refusal.label(), Some(refusal)),
    };
    info!(%pod, reason, refusal = refusal.as_ref().map(ToString::to_string), "session ended");
    meter.session_ended(reason);
    if let Some(refusal) = refusal {
        say_goodbye(&session.outgoing, refusal);
    }
    proxy.close().await;
}

/// Tells the proxy why, if there is room; a connection that takes nothing is closed without a word.
fn say_goodbye(outgoing: &mpsc::Sender<Result<FromControl<Encoded>, Refusal>>, refusal: Refusal) {
    match outgoing.try_send(Err(refusal)) {
        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
    }
}

async fn serve(
    session: &mut Session,
    mut incoming: Incoming<ToControl>,
    proxy: &Proxy,
    stop: &CancellationToken,
) -> Ending {
    let Sources { mut views, mut authorities, .. } = session.sources.clone();
    // There is nothing in the books yet that could have changed.
    views.mark_unchanged();
    authorities.mark_unchanged();
    loop {
        session.refresh_due();
        let due = session.due;
        let (outgoing, waiting) = (session.outgoing.clone(), session.has_waiting());
        let ended = tokio::select! {
            biased;
            () = stop.cancelled(), if due.leave.is_none() => session.plan_to_leave(),
            () = at(due.leave) => Some(Ending::Refused(stopping())),
            () = proxy.replaced() => return Ending::Replaced,
            room = outgoing.reserve(), if waiting => match room {
                Ok(room) => { session.send(room); None }
                Err(_closed) => Some(Ending::Left),
            },
            () = at(due.round) => { session.round(); None }
            message = incoming.next() => session.take(message, proxy).await,
            () = at(due.standing) => session.stand(proxy).await,
            changed = views.changed() => session.plan_round(changed.is_ok()),
            changed = authorities.changed() => session.plan_round(changed.is_ok()),
            () = sleep_until(due.silence) => {
                Some(Ending::Refused(Refusal::Unavailable("nothing was heard for too long".into())))
            }
            () = at(due.stuck) => {
                Some(Ending::Refused(Refusal::Exhausted("what is sent is not taken".into())))
            }
        };
        if let Some(ending) = ended {
            return ending;
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn stopping() -> Refusal {
    Refusal::Unavailable("this replica is about to stop".into())
}

impl Session {
    fn has_waiting(&self) -> bool {
        self.ledger.has_waiting() || self.settings != Some(self.wanted_settings())
    }

    /// The time by which something must have been taken begins when something starts to wait.
    fn refresh_due(&mut self) {
        let since = Instant::now() + STUCK;
        self.due.stuck = self.has_waiting().then(|| self.due.stuck.unwrap_or(since));
    }

    fn wanted_settings(&self) -> Settings {
        let report_interval = if self.ledger.is_under_rollout() { FAST } else { SLOW };
        let authority = self.sources.authorities.borrow();
        let issuer = authority.as_ref().map(|authority| authority.issuer.fingerprint());
        Settings { report_interval, issuer }
    }

    /// A first change is followed at once, those right after it together.
    fn plan_round(&mut self, source_lives: bool) -> Option<Ending> {
        if !source_lives {
            return Some(Ending::Refused(stopping()));
        }
        self.due.round.get_or_insert(self.due.next_round);
        None
    }

    /// Proxies leave a replica that stops one after another, so that the others are not asked all
    /// at once.
    fn plan_to_leave(&mut self) -> Option<Ending> {
        self.due.leave = Some(Instant::now() + SPREAD.mul_f64(rand::random::<f64>()));
        None
    }

    fn round(&mut self) {
        self.due.round = None;
        self.due.next_round = Instant::now() + DEBOUNCE;
        let view = self.newest();
        for key in self.ledger.keys() {
            self.resolve(&*view, &key);
        }
        self.changed();
    }

    /// The newest view; the pod's addresses are taken from it, once control has seen the pod.
    fn newest(&mut self) -> Arc<dyn View> {
        let view = self.sources.views.borrow().clone();
        if let Some(pod) = view.pod(&self.asker.pod_uid) {
            self.asker.addresses = pod.addresses;
        }
        view
    }

    fn resolve(&mut self, view: &dyn View, key: &Key) {
        let resource = self.look_up(view, key);
        match self.ledger.offer(key, resource, &self.sources.bodies) {
            Offer::Known | Offer::Queued => {}
            Offer::Behind => {
                self.sources.meter.held_back.inc();
                warn!(pod = %self.asker.pod_name, %key, "proxy holds a newer decision, push held back");
            }
        }
    }

    /// Trust comes from where certificates come from, so that a chain and the roots it leads to
    /// never part.
    fn look_up(&self, view: &dyn View, key: &Key) -> Option<Resource> {
        if *key == Key::Trust {
            let authority = self.sources.authorities.borrow().clone();
            return authority.map(|authority| Resource::Trust(Arc::clone(&authority.trust)));
        }
        view.resolve(&self.asker, key)
    }

    /// The registry is told soon, and of all that happens until then together.
    fn changed(&mut self) {
        self.due.standing.get_or_insert_with(|| Instant::now() + GATHER);
    }

    fn send(&mut self, room: mpsc::Permit<'_, Result<FromControl<Encoded>, Refusal>>) {
        self.due.stuck = None;
        let wanted = self.wanted_settings();
        if self.settings != Some(wanted) {
            self.settings = Some(wanted);
            room.send(Ok(FromControl::Settings(wanted)));
            return;
        }
        let Some(message) = self.ledger.pop() else { return };
        let meter = &self.sources.meter;
        match &message {
            FromControl::Push(push) => meter.pushed(push.key.label()),
            FromControl::Absent(key) => meter.absent(key.label()),
            FromControl::Settings(_) => {}
        }
        room.send(Ok(message));
        self.changed();
    }

    async fn stand(&mut self, proxy: &Proxy) -> Option<Ending> {
        self.due.standing = None;
        let standing = Standing { books: self.ledger.summary(), leaf: self.leaf };
        proxy.stands(standing).await;
        None
    }

    async fn take(
        &mut self,
        message: Option<Result<ToControl, Interrupted>>,
        proxy: &Proxy,
    ) -> Option<Ending> {
        self.due.silence = Instant::now() + SILENCE;
        let meter = self.sources.meter.clone();
        match message {
            None | Some(Err(Interrupted::Lost(_))) => return Some(Ending::Left),
            Some(Err(Interrupted::Unreadable(invalid))) => {
                debug!(pod = %self.asker.pod_name, %invalid, "a part of a message is ignored");
            }
            Some(Ok(ToControl::Hello(_))) => {
                return Some(Ending::Refused(Refusal::Invalid("a second hello".into())));
            }
            Some(Ok(ToControl::Subscribe(all))) => return self.subscribe(all),
            Some(Ok(ToControl::Unsubscribe(keys))) => {
                keys.iter().for_each(|key| self.ledger.unsubscribe(key));
            }
            Some(Ok(ToControl::Ack(ack))) => {
                meter.acked(ack.key.label());
                self.ledger.ack(&ack);
            }
            Some(Ok(ToControl::Nack(nack))) => {
                meter.nacked(nack.key.label());
                let (pod, key, version) = (&self.asker.pod_name, &nack.key, nack.version);
                warn!(%pod, %key, %version, reason = nack.reason, "push refused by proxy");
                self.ledger.nack(&nack);
            }
            Some(Ok(ToControl::Report(report))) => {
                self.report(report, proxy).await;
                return None;
            }
        }
        self.changed();
        None
    }

    fn subscribe(&mut self, all: Vec<Held>) -> Option<Ending> {
        let view = self.newest();
        for held in all {
            let key = held.key.clone();
            if !self.ledger.subscribe(held) {
                let many = Refusal::Exhausted("too many subscriptions".into());
                return Some(Ending::Refused(many));
            }
            self.resolve(&*view, &key);
        }
        self.changed();
        None
    }

    async fn report(&mut self, Report { rows, leaf }: Report, proxy: &Proxy) {
        if leaf.is_some() && leaf != self.leaf {
            self.leaf = leaf;
            self.changed();
        }
        let (pod_uid, epoch) = (Arc::clone(&self.asker.pod_uid), proxy.epoch());
        let rows = (!rows.is_empty()).then_some(Rows { pod_uid, epoch, rows });
        proxy.heard(rows).await;
    }
}

/// How often a proxy reports while it calls a service under a rollout.
const FAST: Duration = Duration::from_millis(250);

/// How often it reports otherwise: the stream's heartbeat.
const SLOW: Duration = Duration::from_secs(2);

/// A proxy that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection that takes nothing for this long is cut.
const STUCK: Duration = Duration::from_secs(20);

/// Changes within this time are followed together.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// Acks within this time are reported together.
const GATHER: Duration = Duration::from_millis(20);

/// Within this time all proxies have left a replica that stops.
const SPREAD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
