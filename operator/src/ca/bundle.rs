//! The trust bundle in every namespace that has meshed pods or is about to: what a proxy starts
//! from.

use std::{collections::BTreeSet, time::Duration};

use api::{injection::Rule, names};
use cluster::{apply::Applier, watch::ObjectName};
use k8s_openapi::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::View;
use crate::{
    mesh::meta,
    session::Shared,
    world::{BundleFacts, World},
};

/// What is to be written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Plan {
    /// Namespaces that lack the bundle, or hold another.
    apply: Vec<String>,
    /// Bundles that nobody needs any more, by namespace and uid.
    delete: Vec<(String, String)>,
}

/// Keeps all bundles until `stop` fires.
pub(crate) async fn keep(shared: Shared, views: watch::Receiver<View>, stop: CancellationToken) {
    stop.run_until_cancelled(Box::pin(run(shared, views))).await;
}

async fn run(shared: Shared, mut views: watch::Receiver<View>) {
    let applier = Applier::new(shared.client(), "serin-trust");
    let mut worlds = shared.worlds.clone();
    loop {
        let failed = turn(&shared, &applier, &mut worlds, &mut views).await;
        let pause = if failed { AFTER_ERROR } else { BREATH };
        tokio::time::sleep(pause).await;
        if failed {
            continue;
        }
        tokio::select! {
            changed = worlds.changed() => if changed.is_err() { return },
            changed = views.changed() => if changed.is_err() { return },
        }
    }
}

/// Makes one turn. Says whether something failed and is to be tried again.
async fn turn(
    shared: &Shared,
    applier: &Applier,
    worlds: &mut crate::world::Worlds,
    views: &mut watch::Receiver<View>,
) -> bool {
    let Some(issue) = views.borrow_and_update().issue.clone() else { return false };
    let (owner, plan) = {
        let world = worlds.borrow_and_update();
        let Some(mesh) = shared.mesh(&world) else { return false };
        let Some(owner) = mesh.owner_ref(&()) else { return false };
        let honour_istio_labels = mesh.spec.injection.honour_istio_labels;
        let rule = Rule { own: &shared.operator.namespace, honour_istio_labels };
        (owner, plan(&world, rule, shared.uid(), &issue.bootstrap))
    };
    let mut failed = false;
    for namespace in plan.apply {
        let map = bundle(&owner, &namespace, &issue.bootstrap);
        match applier.apply(&map).await {
            Ok(_applied) => info!(namespace, "trust bundle written"),
            Err(error) => {
                warn!(%error, "trust bundle not written");
                failed = true;
            }
        }
    }
    for (namespace, uid) in plan.delete {
        let metadata = ObjectMeta {
            name: Some(names::TRUST_CONFIG_MAP.to_owned()),
            namespace: Some(namespace),
            uid: Some(uid),
            ..ObjectMeta::default()
        };
        let map = ConfigMap { metadata, ..ConfigMap::default() };
        if let Err(error) = applier.delete(&map).await {
            warn!(%error, "trust bundle not deleted");
            failed = true;
        }
    }
    failed
}

/// Whether every namespace that needs the bundle holds `pem`.
pub(super) fn is_spread(world: &World, rule: Rule<'_>, mesh: &str, pem: &str) -> bool {
    plan(world, rule, mesh, pem).apply.is_empty()
}

/// What differs between what `world` holds and what it should.
fn plan(world: &World, rule: Rule<'_>, mesh: &str, pem: &str) -> Plan {
    let wanted = wanted(world, rule);
    let held =
        |namespace: &str| world.bundles.get(&ObjectName::new(namespace, names::TRUST_CONFIG_MAP));
    let good = |facts: &BundleFacts| {
        facts.pem.as_deref() == Some(pem) && facts.owner.as_deref() == Some(mesh)
    };
    let lacking = wanted.iter().filter(|n| !held(n).is_some_and(|facts| good(facts)));
    let ours = world.bundles.iter().filter(|(_, facts)| facts.owner.as_deref() == Some(mesh));
    let needless = ours.filter(|(name, _)| !wanted.contains(&*name.namespace));
    Plan {
        apply: lacking.cloned().collect(),
        delete: needless.map(|(name, f)| (name.namespace.to_string(), f.uid.clone())).collect(),
    }
}

/// Namespaces whose pods have a proxy, or will. The mesh's own is among them for tools that speak
/// to proxies.
fn wanted(world: &World, rule: Rule<'_>) -> BTreeSet<String> {
    let there = |name: &str| {
        world.namespaces.get(&ObjectName::new("", name)).is_some_and(|facts| !facts.leaving)
    };
    let labelled = world.namespaces.iter();
    let labelled = labelled.filter(|(name, facts)| rule.is_meshed(&name.name, &facts.labels));
    let meshed = world.pods.iter().filter(|(_, pod)| pod.meshed && !pod.terminal);
    let names =
        labelled.map(|(name, _)| &*name.name).chain(meshed.map(|(name, _)| &*name.namespace));
    names.chain([rule.own]).filter(|name| there(name)).map(str::to_owned).collect()
}

fn bundle(owner: &OwnerReference, namespace: &str, pem: &str) -> ConfigMap {
    ConfigMap {
        metadata: meta(owner, names::TRUST_CONFIG_MAP, Some(namespace)),
        data: Some([(names::TRUST_KEY.to_owned(), pem.to_owned())].into()),
        ..ConfigMap::default()
    }
}

const BREATH: Duration = Duration::from_millis(50);
const AFTER_ERROR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
