//! The proxies, as the control replicas know them: one stream to each replica, merged by one task.

mod link;
pub(crate) mod live;
pub(crate) mod merge;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::names;
use runtime::tasks::Tasks;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::DropGuard;

pub(crate) use link::{Decisions, Passport, Replica, serving_issuer};
pub(crate) use merge::Fleet;
use merge::Told;

use crate::world::{World, Worlds};

/// The newest fleet.
pub(crate) type Fleets = watch::Receiver<Fleet>;

/// What the task that keeps the fleet works with.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) namespace: String,
    pub(crate) worlds: Worlds,
    pub(crate) passports: watch::Receiver<Option<Arc<Passport>>>,
    pub(crate) decisions: Decisions,
    pub(crate) fleets: watch::Sender<Fleet>,
}

/// The control replicas that proxies may be connected to.
pub(crate) fn replicas(world: &World, namespace: &str) -> BTreeMap<Arc<str>, Replica> {
    let pods = world.pods.in_namespace(namespace);
    let ours = pods.filter(|(_, pod)| pod.labels.get(PROGRAM).is_some_and(|n| n == names::CONTROL));
    let running = ours.filter(|(_, pod)| !pod.terminal && (pod.ready || pod.leaving()));
    let found = running.filter_map(|(_, pod)| {
        let address = pod.address.as_ref()?.parse().ok()?;
        let uid: Arc<str> = pod.uid.as_str().into();
        Some((Arc::clone(&uid), Replica { uid, address }))
    });
    found.collect()
}

/// Keeps the fleet until the tasks are told to stop.
pub(crate) async fn keep(keeper: Keeper, tasks: Tasks) {
    let stop = tasks.token();
    stop.run_until_cancelled(run(keeper, &tasks)).await;
}

async fn run(keeper: Keeper, tasks: &Tasks) {
    let (tell, mut told) = mpsc::channel(QUEUE);
    let mut worlds = keeper.worlds.clone();
    let mut links = BTreeMap::new();
    let mut batch = Vec::new();
    loop {
        let wanted = replicas(&worlds.borrow_and_update(), &keeper.namespace);
        links.retain(|uid, _| wanted.contains_key(uid));
        forget(&keeper.fleets, &wanted);
        for (uid, replica) in wanted {
            links.entry(uid).or_insert_with(|| link(&keeper, replica, &tell, tasks));
        }
        tokio::select! {
            changed = worlds.changed() => if changed.is_err() { return },
            _ = told.recv_many(&mut batch, QUEUE) => {
                let now = Instant::now();
                keeper.fleets.send_modify(|fleet| {
                    batch.drain(..).for_each(|(uid, told)| fleet.take(&uid, told, now));
                });
            }
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Opens the stream to a replica. It ends when the guard is dropped.
fn link(
    keeper: &Keeper,
    replica: Replica,
    tell: &mpsc::Sender<(Arc<str>, Told)>,
    tasks: &Tasks,
) -> DropGuard {
    let stop = tasks.token().child_token();
    let (passports, decisions) = (keeper.passports.clone(), keeper.decisions.clone());
    let watch = link::watch(replica, passports, decisions, tell.clone());
    let guard = stop.clone().drop_guard();
    tasks.spawn("control replica", async move {
        stop.run_until_cancelled(Box::pin(watch)).await;
    });
    guard
}

/// What a replica told that is gone holds no longer: its proxies have gone elsewhere.
fn forget(fleets: &watch::Sender<Fleet>, wanted: &BTreeMap<Arc<str>, Replica>) {
    fleets.send_if_modified(|fleet| fleet.forget(|uid| wanted.contains_key(uid)));
}

const PROGRAM: &str = "app.kubernetes.io/name";
/// Reports of thousands of proxies, four times a second each, fit into the breaths between two
/// turns.
const QUEUE: usize = 4096;
const BREATH: Duration = Duration::from_millis(5);
