//! Gates that nobody keeps any more: their rollout was deleted, or their workload left the pod
//! behind.
//!
//! Such a gate would hold its workload's update for ever, so it is opened. Nothing else than a
//! rollout shuts gates, and one that was made a moment ago may not be seen yet: hence the patience.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cluster::watch::ObjectName;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::gates;
use crate::{
    session::Shared,
    world::{Gate, PodFacts, World},
};

/// Pods by name, each with its uid.
type Orphans = BTreeMap<ObjectName, String>;

/// Opens gates that have been nobody's for a while, until `stop` fires.
pub(super) async fn keep(shared: Shared, stop: CancellationToken) {
    stop.run_until_cancelled(Box::pin(run(shared))).await;
}

async fn run(shared: Shared) {
    let mut since: BTreeMap<String, Instant> = BTreeMap::new();
    while shared.worlds.has_changed().is_ok() {
        tokio::time::sleep(AGAIN).await;
        let orphans = {
            let world = shared.worlds.borrow();
            if world.is_complete() { orphans(&world) } else { Orphans::new() }
        };
        for (name, uid) in ripe(&mut since, &orphans, Instant::now()) {
            info!(namespace = %name.namespace, pod = %name.name, "a gate without a rollout");
            let api: Api<Pod> = Api::namespaced(shared.client(), &name.namespace);
            gates::open(&api, &shared.clock, &name.name, uid).await;
        }
    }
}

/// Those of `orphans` that were so for long enough, at most [`AT_ONCE`].
fn ripe<'a>(
    since: &mut BTreeMap<String, Instant>,
    orphans: &'a Orphans,
    now: Instant,
) -> Vec<(&'a ObjectName, &'a str)> {
    let uids: BTreeSet<&str> = orphans.values().map(String::as_str).collect();
    since.retain(|uid, _| uids.contains(uid.as_str()));
    let known = orphans.iter().map(|(name, uid)| {
        let first = *since.entry(uid.clone()).or_insert(now);
        (name, uid.as_str(), now.saturating_duration_since(first) >= PATIENCE)
    });
    known.filter(|(.., ripe)| *ripe).map(|(name, uid, _)| (name, uid)).take(AT_ONCE).collect()
}

/// Pods with a shut gate whose Deployment is the target of no rollout.
fn orphans(world: &World) -> Orphans {
    let shut = |pod: &PodFacts| pod.gate == Gate::Shut && !pod.terminal && !pod.leaving();
    let gated: Vec<_> = world.pods.iter().filter(|(_, pod)| shut(pod)).collect();
    if gated.is_empty() {
        return Orphans::new();
    }
    let here = world.rollouts.iter();
    let here = here.filter(|(_, rollout)| rollout.metadata.deletion_timestamp.is_none());
    let targets = here.filter_map(|(name, rollout)| {
        let target = ObjectName::new(&name.namespace, &rollout.spec.target_ref.name);
        world.deployments.get(&target).map(|deployment| deployment.uid.as_str())
    });
    let targets: BTreeSet<&str> = targets.collect();
    let kept = world.replica_sets.iter().filter(|(_, set)| targets.contains(set.owner.as_str()));
    let kept: BTreeSet<&str> = kept.map(|(_, set)| set.uid.as_str()).collect();
    let owned = |pod: &PodFacts| pod.owner.as_ref().is_some_and(|o| kept.contains(o.uid.as_str()));
    let orphans = gated.into_iter().filter(|(_, pod)| !owned(pod));
    orphans.map(|(name, pod)| (name.clone(), pod.uid.clone())).collect()
}

const AGAIN: Duration = Duration::from_secs(1);
/// Longer than a rollout that was just made takes to be seen, or one that is replaced to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests;
