//! Canary rollouts: one task for each, started and ended with its object.
//!
//! What a rollout does next is decided by the machine in `model::rollout`; here its facts are
//! observed and what it holds is made so.

mod again;
pub(crate) mod board;
mod gates;
mod observe;
mod orphan;
mod plan;
mod risk;
mod run;
mod status;

use std::{collections::BTreeMap, time::Duration};

use api::canary::CanaryRollout;
use cluster::{
    events::Happening,
    status::{Subject, keep as keep_status},
};
use kube::Resource as _;
use model::decision::RolloutId;
use runtime::tasks::Tasks;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::error;

use self::{board::Board, run::Runner};
use crate::{
    fleet::{Fleet, Fleets},
    session::Shared,
    world::World,
};

/// What the rollouts of a session share.
#[derive(Clone, Debug)]
pub(crate) struct Rollouts {
    pub(crate) shared: Shared,
    pub(crate) fleets: Fleets,
    pub(crate) board: Board,
    /// To forget the counts of rollouts that are gone.
    pub(crate) forget: watch::Sender<Fleet>,
}

/// Every rollout of `world`, by its uid.
fn all(world: &World) -> BTreeMap<String, RolloutId> {
    let named = here(world).filter_map(|(id, rollout)| Some((rollout.metadata.uid.clone()?, id)));
    named.collect()
}

/// What the statuses of all rollouts of `world` hold.
pub(crate) fn recorded(world: &World) -> board::Recorded {
    let told = here(world).map(|(id, rollout)| {
        let decision = Runner::recorded(&id, rollout);
        (id, decision)
    });
    told.collect()
}

fn here(world: &World) -> impl Iterator<Item = (RolloutId, &CanaryRollout)> {
    let here = world.rollouts.iter();
    let here = here.filter(|(_, rollout)| rollout.metadata.deletion_timestamp.is_none());
    here.map(|(name, rollout)| (RolloutId::new(&name.namespace, &name.name), &**rollout))
}

/// Runs all rollouts until the tasks are told to stop.
pub(crate) async fn keep(rollouts: Rollouts, tasks: Tasks) {
    let orphans = orphan::keep(rollouts.shared.clone(), tasks.token());
    tasks.spawn("orphaned gates", orphans);
    let (board, stop) = (rollouts.board.clone(), tasks.token());
    tasks.spawn("silent rollouts", async move {
        if stop.run_until_cancelled(tokio::time::sleep(board::PATIENCE)).await.is_some() {
            board.stand_in();
        }
    });
    tasks.token().run_until_cancelled(run(rollouts, &tasks)).await;
}

async fn run(rollouts: Rollouts, tasks: &Tasks) {
    let mut worlds = rollouts.shared.worlds.clone();
    let mut running: BTreeMap<String, (RolloutId, DropGuard)> = BTreeMap::new();
    loop {
        let wanted = all(&worlds.borrow_and_update());
        let gone: Vec<String> =
            running.keys().filter(|uid| !wanted.contains_key(*uid)).cloned().collect();
        for uid in gone {
            if let Some((id, _stop)) = running.remove(&uid) {
                rollouts.board.remove(&id);
                rollouts.forget.send_if_modified(|fleet| {
                    fleet.retain(|known| *known != id);
                    false
                });
            }
        }
        for (uid, id) in wanted {
            running.entry(uid).or_insert_with(|| (id.clone(), start(&rollouts, &id, tasks)));
        }
        if worlds.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Starts one rollout. It ends when the guard is dropped.
fn start(rollouts: &Rollouts, id: &RolloutId, tasks: &Tasks) -> DropGuard {
    let stop = tasks.token().child_token();
    let guard = stop.clone().drop_guard();
    let first = find(rollouts, id);
    if let Some(object) = first {
        let life = lives(rollouts.clone(), id.clone(), object, tasks.clone());
        tasks.spawn("rollout", async move {
            stop.run_until_cancelled(Box::pin(life)).await;
        });
    }
    guard
}

fn find(rollouts: &Rollouts, id: &RolloutId) -> Option<CanaryRollout> {
    let world = rollouts.shared.worlds.borrow();
    let name = cluster::watch::ObjectName::new(&id.namespace, &id.name);
    world.rollouts.get(&name).map(|rollout| (**rollout).clone())
}

/// Runs one rollout until it is gone. When it breaks, it begins again from its status.
async fn lives(rollouts: Rollouts, id: RolloutId, first: CanaryRollout, tasks: Tasks) {
    let make = || {
        let newest = find(&rollouts, &id).filter(|it| it.metadata.uid == first.metadata.uid);
        Box::pin(live(&rollouts, id.clone(), newest.as_ref().unwrap_or(&first)))
    };
    let broke = |pause: Duration| {
        error!(rollout = %id, ?pause, "the rollout's loop panicked and is made anew");
        rollouts.shared.gauges.rollout_panicked();
        let (events, about) = (rollouts.shared.events.clone(), first.object_ref(&()));
        let happening = Happening {
            reason: "OperatorPanicked",
            sentence: format!(
                "the operator's loop for this rollout broke and begins again in {} s; until then \
                 weights and gates stay as they are",
                pause.as_secs()
            ),
            warning: true,
        };
        tasks.spawn("rollout events", async move { events.publish(&about, &happening).await });
    };
    again::until_done(make, broke).await;
}

/// One rollout with all that it needs: a panic in any part is one in all.
fn live(
    rollouts: &Rollouts,
    id: RolloutId,
    object: &CanaryRollout,
) -> impl Future<Output = ()> + use<> {
    let (wanted, want) = watch::channel(None);
    let (writes, written) = watch::channel(None);
    let (shut, to_open) = watch::channel(gates::Shut::new());
    let (happened, mut happenings) = mpsc::channel::<Happening>(EVENTS);
    let Rollouts { shared, fleets, board, forget } = rollouts.clone();
    let subject = Subject::of(object, "serin-rollout");
    let writer = keep_status(shared.client(), subject, want, writes, CancellationToken::new());
    let opener =
        gates::keep(shared.client(), shared.clock.clone(), id.namespace.to_string(), to_open);
    let (events, about) = (shared.events.clone(), object.object_ref(&()));
    let publisher = async move {
        while let Some(happening) = happenings.recv().await {
            events.publish(&about, &happening).await;
        }
    };
    let rollout = Runner::recall(object);
    let about = object.object_ref(&());
    let runner = Runner {
        shared,
        fleets,
        board,
        id,
        about,
        wanted,
        written,
        shut,
        forget,
        happened,
        rollout,
        posted: None,
    };
    let parts = futures::future::join3(Box::pin(writer), Box::pin(opener), Box::pin(publisher));
    async move {
        tokio::select! {
            () = Box::pin(runner.run()) => {}
            // A part may end before, once there is nothing left to write to.
            () = async { parts.await; std::future::pending().await } => {}
        }
    }
}

/// Events that wait to be published; more are logged only.
const EVENTS: usize = 64;
const BREATH: Duration = Duration::from_millis(20);
