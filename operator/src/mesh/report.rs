//! The mesh's status: composed from what each part says, and written by one task.

mod compose;
mod condition;
mod text;

use std::{sync::Arc, time::Duration};

use api::mesh::MeshInstallationStatus;
use cluster::{
    events::Happening,
    status::{self, Subject},
};
use runtime::tasks::Tasks;
use tokio::sync::watch;

use super::Installed;
use crate::{ca, fleet::Fleets, session::Shared};

pub(crate) use compose::SILENCE;
pub(crate) use condition::{Says, merge};

/// What the status is composed from.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) installed: watch::Receiver<Installed>,
    pub(crate) authority: watch::Receiver<ca::View>,
    pub(crate) fleet: Fleets,
}

/// Starts composing and writing.
pub(crate) fn start(shared: &Shared, parts: Parts, tasks: &Tasks) {
    let subject = {
        let world = shared.worlds.borrow();
        shared.mesh(&world).map(|mesh| Subject::of(mesh, "serin-operator"))
    };
    let Some(subject) = subject else { return };
    let (wanted, want) = watch::channel(None);
    let (written, _) = watch::channel(None);
    let stop = tasks.token();
    let writer = status::keep(shared.client(), subject, want, written, stop.clone());
    tasks.spawn("status writer", Box::pin(writer));
    let shared = shared.clone();
    tasks.spawn_critical("status", async move {
        stop.run_until_cancelled(Box::pin(run(shared, parts, wanted))).await;
    });
}

async fn run(
    shared: Shared,
    mut parts: Parts,
    wanted: watch::Sender<Option<Arc<MeshInstallationStatus>>>,
) {
    let mut worlds = shared.worlds.clone();
    loop {
        let before = wanted.borrow().clone();
        let Some(status) = compose(&shared, &parts, before.as_deref()) else { return };
        if before.as_deref() != Some(&status) {
            announce(&shared, before.as_deref(), &status).await;
            shared.gauges.show(&status);
            wanted.send_replace(Some(Arc::new(status)));
        }
        tokio::time::sleep(BREATH).await;
        let any = async {
            tokio::select! {
                changed = worlds.changed() => changed.is_ok(),
                changed = parts.installed.changed() => changed.is_ok(),
                changed = parts.authority.changed() => changed.is_ok(),
                changed = parts.fleet.changed() => changed.is_ok(),
            }
        };
        // Silence is no change: what stops speaking is noticed by looking.
        if tokio::time::timeout(LOOK, any).await == Ok(false) {
            return;
        }
    }
}

fn compose(
    shared: &Shared,
    parts: &Parts,
    before: Option<&MeshInstallationStatus>,
) -> Option<MeshInstallationStatus> {
    let world = shared.worlds.borrow();
    let mesh = shared.mesh(&world)?;
    let seen = compose::Seen {
        mesh,
        world: &world,
        operator: &shared.operator,
        installed: &parts.installed.borrow(),
        authority: &parts.authority.borrow(),
        fleet: &parts.fleet.borrow(),
        now: shared.clock.unix_millis(),
        instant: tokio::time::Instant::now(),
    };
    Some(seen.status(before.or(mesh.status.as_ref())))
}

/// Says what became of the mesh, when it changes.
async fn announce(
    shared: &Shared,
    before: Option<&MeshInstallationStatus>,
    after: &MeshInstallationStatus,
) {
    for happening in happenings(before, after) {
        shared.events.publish(&shared.about, &happening).await;
    }
}

fn happenings(
    before: Option<&MeshInstallationStatus>,
    after: &MeshInstallationStatus,
) -> Vec<Happening> {
    let find = |status: &MeshInstallationStatus, name: &str| {
        status.conditions.iter().find(|condition| condition.type_ == name).cloned()
    };
    let changed = |name: &str| {
        let new = find(after, name)?;
        let old = before.and_then(|before| find(before, name));
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        (!same).then_some(new)
    };
    let ready = changed("Ready").map(|condition| Happening {
        reason: if condition.status == "True" { "MeshReady" } else { "MeshNotReady" },
        sentence: condition.message,
        warning: condition.status != "True" && before.is_some(),
    });
    let stalled = changed("Stalled").filter(|condition| condition.status == "True");
    let stalled = stalled.map(|condition| Happening {
        reason: "MeshStalled",
        sentence: condition.message,
        warning: true,
    });
    ready.into_iter().chain(stalled).collect()
}

const BREATH: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_secs(1);
