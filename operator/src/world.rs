//! What the operator sees of the cluster: every kind it reads, trimmed and kept current.
//!
//! One task writes; everybody else borrows for the length of a look. Objects are trimmed as they
//! arrive, so that memory follows what is asked of them and not what they hold.

mod deployment;
mod feed;
mod namespace;
mod node;
mod pod;
mod service;

use api::{canary::CanaryRollout, mesh::MeshInstallation, names};
use cluster::watch::{Meter, Mirror, ObjectName};
use k8s_openapi::api::{core::v1::ConfigMap, core::v1::Secret};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
pub(crate) use deployment::template;
pub(crate) use deployment::{DeploymentFacts, ReplicaSetFacts, StrategyFacts};
pub(crate) use namespace::NamespaceFacts;
pub(crate) use node::NodeFacts;
#[cfg(test)]
pub(crate) use pod::Owner;
pub(crate) use pod::{Gate, PodFacts, moment};
#[cfg(test)]
pub(crate) use service::SelectorFacts;
pub(crate) use service::{AutoscalerFacts, BudgetFacts, ServiceFacts};

use crate::ca::vault::Data;

/// Everything seen.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) meshes: Mirror<MeshInstallation>,
    pub(crate) rollouts: Mirror<CanaryRollout>,
    pub(crate) namespaces: Mirror<NamespaceFacts>,
    pub(crate) nodes: Mirror<NodeFacts>,
    pub(crate) pods: Mirror<PodFacts>,
    pub(crate) services: Mirror<ServiceFacts>,
    pub(crate) deployments: Mirror<DeploymentFacts>,
    pub(crate) replica_sets: Mirror<ReplicaSetFacts>,
    pub(crate) autoscalers: Mirror<AutoscalerFacts>,
    pub(crate) budgets: Mirror<BudgetFacts>,
    /// The trust bundles in namespaces, by the bundle they hold.
    pub(crate) bundles: Mirror<BundleFacts>,
    /// The secrets that are the operator's own.
    pub(crate) secrets: Mirror<SecretFacts>,
}

/// The newest world.
pub(crate) type Worlds = watch::Receiver<World>;

/// A namespace's copy of the trust bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BundleFacts {
    /// The object's uid.
    pub(crate) uid: String,
    /// The bundle.
    pub(crate) pem: Option<String>,
    /// The mesh that it belongs to.
    pub(crate) owner: Option<String>,
}

/// A Secret of ours. Its content never shows in logs.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct SecretFacts {
    /// The mesh that it belongs to.
    pub(crate) owner: Option<String>,
    /// What it holds.
    pub(crate) data: Data,
}

impl World {
    /// Whether the first lists of all kinds are in: until then an absence means nothing.
    pub(crate) const fn is_complete(&self) -> bool {
        self.meshes.is_complete()
            && self.rollouts.is_complete()
            && self.namespaces.is_complete()
            && self.nodes.is_complete()
            && self.pods.is_complete()
            && self.services.is_complete()
            && self.deployments.is_complete()
            && self.replica_sets.is_complete()
            && self.autoscalers.is_complete()
            && self.budgets.is_complete()
            && self.bundles.is_complete()
            && self.secrets.is_complete()
    }

    /// The mesh, if there is one that is not being deleted.
    pub(crate) fn mesh(&self) -> Option<&MeshInstallation> {
        let mesh = self.meshes.get(&ObjectName::new("", MESH))?;
        mesh.metadata.deletion_timestamp.is_none().then_some(&**mesh)
    }

    /// What the operator's own Secret of this name holds.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Option<&SecretFacts> {
        self.secrets.get(&ObjectName::new(namespace, name)).map(|facts| &**facts)
    }
}

impl std::fmt::Debug for SecretFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.data.keys()).finish()
    }
}

/// Keeps the world current until `stop` fires.
pub(crate) async fn keep(
    client: Client,
    namespace: String,
    meter: Meter,
    worlds: watch::Sender<World>,
    stop: CancellationToken,
) {
    let feeds = feed::all(&client, &namespace, &meter);
    tokio::select! {
        () = stop.cancelled() => {}
        () = feed::run(feeds, &worlds) => {}
    }
}

fn keep_mesh(mesh: &MeshInstallation) -> Option<MeshInstallation> {
    let mut kept = mesh.clone();
    kept.metadata.managed_fields = None;
    Some(kept)
}

fn keep_rollout(rollout: &CanaryRollout) -> Option<CanaryRollout> {
    let mut kept = rollout.clone();
    kept.metadata.managed_fields = None;
    Some(kept)
}

fn keep_bundle(map: &ConfigMap) -> Option<BundleFacts> {
    let pem = map.data.as_ref().and_then(|data| data.get(names::TRUST_KEY)).cloned();
    let meta = &map.metadata;
    Some(BundleFacts { uid: meta.uid.clone()?, pem, owner: owner_uid(meta) })
}

fn keep_secret(secret: &Secret) -> Option<SecretFacts> {
    let data = secret.data.clone().unwrap_or_default();
    Some(SecretFacts { owner: owner_uid(&secret.metadata), data })
}

fn owner_uid(meta: &kube::api::ObjectMeta) -> Option<String> {
    let owners = meta.owner_references.iter().flatten();
    owners.filter(|owner| owner.kind == "MeshInstallation").map(|owner| owner.uid.clone()).next()
}

/// A kind everywhere in the cluster.
fn everywhere<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<DynamicType = ()>,
{
    Api::all(client.clone())
}

const MESH: &str = "default";
