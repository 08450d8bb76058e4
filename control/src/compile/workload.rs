//! A pod as its peers name it.

use std::{net::IpAddr, sync::Arc};

use cluster::watch::ObjectName;
use model::{identity::SpiffeId, revision::Revision, workload::Workload};

use crate::{index::World, watch::Pod};

/// The pod at `address`; nothing if no pod has this address for itself.
#[must_use]
pub fn workload(world: &World, address: IpAddr) -> Option<Workload> {
    let (name, pod) = at(world, address)?;
    let maker = maker(name, pod);
    let (app, version) = (first(pod, APP), first(pod, VERSION));
    let or = |value: &Arc<str>, other: &str| -> Arc<str> {
        if value.is_empty() { other.into() } else { Arc::clone(value) }
    };
    let canonical_name = or(&pod.label(CANONICAL_NAME).into(), &or(&app, &maker));
    let canonical_revision = or(&pod.label(CANONICAL_REVISION).into(), &or(&version, "latest"));
    Some(Workload {
        address,
        pod: Arc::clone(&name.name),
        namespace: Arc::clone(&name.namespace),
        workload: maker,
        app,
        version,
        canonical_name,
        canonical_revision,
        revision: revision(pod),
        service_account: Arc::clone(&pod.service_account),
        identity: identity(world, name, pod),
        plain_ports: pod.plain_ports.clone(),
        keeps_case: pod.keeps_case,
        node: Arc::clone(&pod.node),
        zone: zone(world, pod),
    })
}

/// The identity that the pod's certificate carries, if it has a proxy.
#[must_use]
pub fn identity(world: &World, name: &ObjectName, pod: &Pod) -> Option<SpiffeId> {
    let domain = world.installation.as_ref().filter(|_| pod.meshed)?.trust_domain.clone();
    SpiffeId::new(domain, &name.namespace, &pod.service_account).ok()
}

/// The identity that connections to `port` of the pod are answered with, if they meet its proxy.
#[must_use]
pub fn identity_at(world: &World, name: &ObjectName, pod: &Pod, port: u16) -> Option<SpiffeId> {
    identity(world, name, pod).filter(|_| !pod.plain_ports.contains(&port))
}

/// The version of its workload that the pod is of.
#[must_use]
pub fn revision(pod: &Pod) -> Option<Revision> {
    REVISION.iter().find_map(|label| Revision::new(pod.label(label)).ok())
}

/// The zone of the pod's node; empty if unknown.
#[must_use]
pub fn zone(world: &World, pod: &Pod) -> Arc<str> {
    world.node(&pod.node).map_or_else(|| "".into(), |node| Arc::clone(&node.zone))
}

/// The pod that has `address`. For a moment a new pod and one that is going can have the same.
#[must_use]
pub fn at(world: &World, address: IpAddr) -> Option<(&ObjectName, &Pod)> {
    let pods = world.relations.pods_at(address).filter_map(|name| Some((name, world.pod(name)?)));
    pods.max_by_key(|(name, pod)| (!pod.deleting, pod.created, *name))
}

/// The workload that made the pod, as its user knows it.
fn maker(name: &ObjectName, pod: &Pod) -> Arc<str> {
    let Some(owner) = &pod.owner else { return Arc::clone(&name.name) };
    let stem = match &*owner.kind {
        "ReplicaSet" => strip_hash(&owner.name, pod.label(REVISION[0])),
        "Job" => strip_schedule(&owner.name),
        _ => None,
    };
    stem.map_or_else(|| Arc::clone(&owner.name), Into::into)
}

/// A Deployment's ReplicaSet is `<deployment>-<pod-template-hash>`.
fn strip_hash<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    name.strip_suffix(hash).filter(|_| !hash.is_empty())?.strip_suffix('-')
}

/// A CronJob's Job is `<cronjob>-<minutes since 1970>`, of which there are eight digits until 2160.
fn strip_schedule(name: &str) -> Option<&str> {
    let (stem, minutes) = name.rsplit_once('-')?;
    let is_time = minutes.len() == 8 && minutes.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && !stem.is_empty()).then_some(stem)
}

fn first(pod: &Pod, labels: [&str; 2]) -> Arc<str> {
    labels
        .map(|label| pod.label(label))
        .into_iter()
        .find(|value| !value.is_empty())
        .unwrap_or("")
        .into()
}

const APP: [&str; 2] = ["app", "app.kubernetes.io/name"];
const VERSION: [&str; 2] = ["version", "app.kubernetes.io/version"];
const REVISION: [&str; 2] = [api::names::POD_TEMPLATE_HASH, "controller-revision-hash"];
const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

#[cfg(test)]
mod tests;
