//! What runs for one mesh while this process holds the lease: started together, ended together.

use std::{sync::Arc, time::Duration};

use api::mesh::MeshInstallation;
use cluster::events::Events;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource as _};
use runtime::{clock::Clock, tasks::Tasks};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    ca,
    fleet::{self, Fleet},
    mesh::{self, valid::Operator},
    metrics::Gauges,
    rollout::{self, board::Board},
    world::{World, Worlds},
};

/// What every task of a session works with.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) client: Arc<Handle>,
    pub(crate) clock: Clock,
    pub(crate) operator: Arc<Operator>,
    pub(crate) worlds: Worlds,
    pub(crate) events: Events,
    pub(crate) gauges: Gauges,
    /// The mesh that the session is for.
    pub(crate) about: ObjectReference,
}

/// The connection to the API server.
pub(crate) struct Handle(pub(crate) Client);

impl Shared {
    /// The connection to the API server.
    pub(crate) fn client(&self) -> Client {
        self.client.0.clone()
    }

    /// The uid of the mesh.
    pub(crate) fn uid(&self) -> &str {
        self.about.uid.as_deref().unwrap_or_default()
    }

    /// The mesh, if the session's is still the one there is.
    pub(crate) fn mesh<'a>(&self, world: &'a World) -> Option<&'a MeshInstallation> {
        world.mesh().filter(|mesh| mesh.metadata.uid.as_deref() == Some(self.uid()))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

/// Runs sessions, one after the other, for as long as the process lives.
pub(crate) async fn lead(base: Shared, mut held: watch::Receiver<bool>, stop: CancellationToken) {
    let mut worlds = base.worlds.clone();
    while !stop.is_cancelled() {
        let wanted = wanted(&held, &worlds);
        let Some(about) = wanted else {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = held.changed() => {}
                _ = worlds.changed() => {}
            }
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let uid = about.uid.clone();
        info!(uid, "session begins");
        base.gauges.act(true);
        let tasks = Tasks::new();
        start(&Shared { about, ..base.clone() }, &tasks);
        until_over(uid.as_deref(), &mut held, &mut worlds, &stop, &tasks).await;
        tasks.shutdown(END).await;
        base.gauges.act(false);
        info!(uid, "session ended");
    }
}

/// Whom a session is to be for now, if for anybody.
fn wanted(held: &watch::Receiver<bool>, worlds: &Worlds) -> Option<ObjectReference> {
    let world = worlds.borrow();
    let acts = *held.borrow() && world.is_complete();
    acts.then(|| world.mesh().map(|mesh| mesh.object_ref(&())))?
}

async fn until_over(
    uid: Option<&str>,
    held: &mut watch::Receiver<bool>,
    worlds: &mut Worlds,
    stop: &CancellationToken,
    tasks: &Tasks,
) {
    let broken = tasks.broken();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = broken.cancelled() => return,
            _ = held.changed() => {}
            _ = worlds.changed() => {}
        }
        if wanted(held, worlds).is_none_or(|about| about.uid.as_deref() != uid) {
            return;
        }
        tokio::time::sleep(BREATH).await;
    }
}

fn start(shared: &Shared, tasks: &Tasks) {
    let (views, view) = watch::channel(ca::View::default());
    let (passports, passport) = watch::channel(None);
    let (fleets, fleet) = watch::channel(Fleet::default());
    let (decide, decisions) = watch::channel(None);
    let (installs, installed) = watch::channel(mesh::Installed::default());
    let keeper = fleet::Keeper {
        namespace: shared.operator.namespace.clone(),
        worlds: shared.worlds.clone(),
        passports: passport.clone(),
        decisions,
        fleets: fleets.clone(),
    };
    tasks.spawn_critical("fleet", Box::pin(fleet::keep(keeper, tasks.clone())));
    let inputs =
        ca::Inputs { shared: shared.clone(), fleets: fleet.clone(), passports: passport, views };
    let authority = ca::keep(inputs, tasks.token());
    tasks.spawn_critical("authority", Box::pin(authority));
    let renewal = ca::passport::keep(shared.clone(), view.clone(), passports, tasks.token());
    tasks.spawn_critical("passport", Box::pin(renewal));
    let bundles = ca::bundle::keep(shared.clone(), view.clone(), tasks.token());
    tasks.spawn_critical("trust bundles", Box::pin(bundles));
    let recorded = rollout::recorded(&shared.worlds.borrow());
    let board = Board::new(recorded, decide);
    let (rolled, forget) = (shared.clone(), fleets);
    let rollouts = rollout::Rollouts { shared: rolled, fleets: fleet.clone(), board, forget };
    tasks.spawn_critical("rollouts", Box::pin(rollout::keep(rollouts, tasks.clone())));
    let install = mesh::keep(shared.clone(), installs, tasks.token());
    tasks.spawn_critical("installation", Box::pin(install));
    let parts = mesh::report::Parts { installed, authority: view, fleet };
    mesh::report::start(shared, parts, tasks);
}

const BREATH: Duration = Duration::from_millis(20);
const END: Duration = Duration::from_secs(5);
