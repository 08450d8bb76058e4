//! The operator's stream: decisions come in, what proxies hold and count goes out.

mod decided;

use std::{fmt, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use model::{decision::Decision, identity::SpiffeId};
use runtime::tasks::Tasks;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::{info, warn};
use wire::{
    message::{FromReplica, ToReplica},
    server::{self, Incoming, Interrupted, Outgoing, Peer, Refusal},
};

use crate::{
    meter::Meter,
    report::{Attached, Registry},
};

/// The newest decisions of the operator.
pub type Decisions = watch::Receiver<Arc<Vec<Decision>>>;

/// Serves the operator, and nobody else.
pub struct Operations {
    operator: SpiffeId,
    registry: Registry,
    decisions: watch::Sender<Arc<Vec<Decision>>>,
    tasks: Tasks,
    meter: Meter,
}

impl Operations {
    /// Serves the operator with this identity; its decisions appear on the second value.
    #[must_use]
    pub fn new(
        operator: SpiffeId,
        registry: Registry,
        tasks: Tasks,
        meter: Meter,
    ) -> (Self, Decisions) {
        let (decisions, decided) = watch::channel(Arc::default());
        (Self { operator, registry, decisions, tasks, meter }, decided)
    }

    fn check(&self, peer: &Peer) -> Result<(), Refusal> {
        match &peer.identity {
            Some(identity) if *identity == self.operator => Ok(()),
            Some(identity) => Err(Refusal::Denied(format!("{identity} is not the operator"))),
            None => Err(Refusal::Unauthenticated("only the operator may call".into())),
        }
    }
}

impl server::Operations for Operations {
    async fn watch(
        &self,
        peer: Peer,
        incoming: Incoming<ToReplica>,
    ) -> Result<Outgoing<FromReplica>, Refusal> {
        self.check(&peer)?;
        let stopping = || Refusal::Unavailable("this replica is about to stop".into());
        let attached = self.registry.attach().await.ok_or_else(stopping)?;
        info!(proxies = attached.known.len(), "operator connected");
        self.tasks.spawn("operator", listen(incoming, self.decisions.clone()));
        Ok(tell(attached, Presence::new(&self.meter)))
    }
}

/// Counts an operator for as long as it is there.
struct Presence(Meter);

impl Presence {
    fn new(meter: &Meter) -> Self {
        meter.operators.inc();
        Self(meter.clone())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.operators.dec();
    }
}

/// Takes decisions until the operator leaves.
async fn listen(mut incoming: Incoming<ToReplica>, decisions: watch::Sender<Arc<Vec<Decision>>>) {
    while let Some(message) = incoming.next().await {
        match message {
            Ok(set) => {
                decisions.send_if_modified(|held| match decided::merge(held, set) {
                    Some(next) => {
                        *held = Arc::new(next);
                        true
                    }
                    None => false,
                });
            }
            Err(Interrupted::Unreadable(invalid)) => {
                warn!(%invalid, "a decision cannot be read, the last one about it stays");
            }
            Err(Interrupted::Lost(why)) => {
                info!(why, "operator disconnected");
                return;
            }
        }
    }
}

/// What goes out: everything known, then what is new, and a heartbeat. It ends with the registry,
/// so that a replica that stops is followed until its last proxy has left.
fn tell(Attached { known, news }: Attached, present: Presence) -> Outgoing<FromReplica> {
    let known = known.into_iter().map(|message| (*message).clone()).chain([FromReplica::Synced]);
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let following = Some(Following { news, heartbeat, present });
    let following = stream::unfold(following, |following| async {
        let mut following = following?;
        Some(match following.next().await {
            Ok(message) => (Ok(message), Some(following)),
            Err(why) => (Err(Refusal::Unavailable(why.into())), None),
        })
    });
    Box::pin(stream::iter(known).map(Ok).chain(following))
}

/// An operator's stream after everything known has been sent.
struct Following {
    news: broadcast::Receiver<Arc<FromReplica>>,
    heartbeat: Interval,
    #[expect(dead_code, reason = "counts for as long as the stream is there")]
    present: Presence,
}

impl Following {
    /// What comes next, or why nothing more does.
    async fn next(&mut self) -> Result<FromReplica, &'static str> {
        tokio::select! {
            biased;
            _ = self.heartbeat.tick() => Ok(FromReplica::Heartbeat),
            news = self.news.recv() => match news {
                Ok(message) => Ok((*message).clone()),
                Err(RecvError::Lagged(_)) => Err("what is sent is not taken"),
                Err(RecvError::Closed) => Err("this replica is about to stop"),
            },
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("operator", &self.operator).finish_non_exhaustive()
    }
}

/// How often an operator hears that this replica lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
