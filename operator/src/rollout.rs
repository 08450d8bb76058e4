//! Canary rollouts: one task for each, started and ended with its object.
//!
//! What a rollout does next is decided by the machine in `model::rollout`; here its facts are
//! observed and what it holds is made so.

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
pub(crate) fn all(world: &World) -> BTreeMap<String, RolloutId> {
    let here = world.rollouts.iter();
    let here = here.filter(|(_, rollout)| rollout.metadata.deletion_timestamp.is_none());
    let named = here.filter_map(|(name, rollout)| {
        let id = RolloutId::new(&name.namespace, &name.name);
        Some((rollout.metadata.uid.clone()?, id))
    });
    named.collect()
}

/// Runs all rollouts until the tasks are told to stop.
pub(crate) async fn keep(rollouts: Rollouts, tasks: Tasks) {
    let orphans = orphan::keep(rollouts.shared.clone(), tasks.token());
    tasks.spawn("orphaned gates", orphans);
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
    let object = {
        let world = rollouts.shared.worlds.borrow();
        let name = cluster::watch::ObjectName::new(&id.namespace, &id.name);
        world.rollouts.get(&name).map(|rollout| (**rollout).clone())
    };
    if let Some(object) = object {
        start_with(rollouts, id, &object, tasks, &stop);
    }
    guard
}

fn start_with(
    rollouts: &Rollouts,
    id: &RolloutId,
    object: &CanaryRollout,
    tasks: &Tasks,
    stop: &CancellationToken,
) {
    let (wanted, want) = watch::channel(None);
    let (writes, written) = watch::channel(None);
    let (shut, to_open) = watch::channel(gates::Shut::new());
    let (happened, mut happenings) = mpsc::channel::<Happening>(EVENTS);
    let Rollouts { shared, fleets, board, forget } = rollouts.clone();
    let subject = Subject::of(object, "serin-rollout");
    let writer = keep_status(shared.client(), subject, want, writes, stop.clone());
    let opener =
        gates::keep(shared.client(), shared.clock.clone(), id.namespace.to_string(), to_open);
    let (events, about) = (shared.events.clone(), object.object_ref(&()));
    let publisher = async move {
        while let Some(happening) = happenings.recv().await {
            events.publish(&about, &happening).await;
        }
    };
    let runner = Runner {
        shared,
        fleets,
        board,
        id: id.clone(),
        about: object.object_ref(&()),
        wanted,
        written,
        shut,
        forget,
        happened,
        rollout: Runner::recall(object),
        posted: None,
    };
    tasks.spawn("rollout status", Box::pin(writer));
    let stopped = stop.clone();
    tasks.spawn("rollout events", async move {
        stopped.run_until_cancelled(Box::pin(publisher)).await;
    });
    let stopped = stop.clone();
    tasks.spawn("rollout gates", async move {
        stopped.run_until_cancelled(Box::pin(opener)).await;
    });
    let stopped = stop.clone();
    tasks.spawn("rollout", async move {
        stopped.run_until_cancelled(Box::pin(runner.run())).await;
    });
}

/// Events that wait to be published; more are logged only.
const EVENTS: usize = 64;
const BREATH: Duration = Duration::from_millis(20);
