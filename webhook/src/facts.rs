//! What the webhook knows of the cluster: which revisions rollouts trust, and what namespaces
//! enforce.
//!
//! Both are watched; a request reads them from memory. Until the first lists are in, the webhook is
//! not ready, and the API server carries on without it.

use std::sync::Arc;

use api::{canary::CanaryRollout, names};
use k8s_openapi::{
    api::core::v1::{Namespace, Pod},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};

use crate::inject::Circumstances;

mod watch;

pub use watch::watch;

/// Views of what is watched.
#[derive(Clone, Debug)]
pub struct Facts {
    rollouts: Store<CanaryRollout>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
}

impl Facts {
    /// What is known about a pod that is made in `namespace`.
    #[must_use]
    pub fn about(&self, pod: &Pod, namespace: &str) -> Circumstances {
        let rollouts = self.rollouts.state();
        let here = rollouts.iter().filter(|it| it.metadata.namespace.as_deref() == Some(namespace));
        Circumstances {
            namespace: namespace.to_owned(),
            pod_security: self.pod_security(namespace),
            gated: is_gated(pod, here),
        }
    }

    fn pod_security(&self, namespace: &str) -> Option<String> {
        let namespace: Arc<_> = self.namespaces.get(&ObjectRef::new(namespace))?;
        namespace.metadata.labels.as_ref()?.get(POD_SECURITY).cloned()
    }
}

/// Whether a rollout of the pod's namespace trusts other revisions of its Deployment and not this
/// one.
///
/// A rollout that trusts nothing holds nobody back: it has not looked yet, or there is nothing to
/// protect.
pub fn is_gated<'a>(pod: &Pod, rollouts: impl IntoIterator<Item = &'a Arc<CanaryRollout>>) -> bool {
    let Some((deployment, revision)) = deployment_and_revision(pod) else { return false };
    rollouts.into_iter().any(|rollout| {
        let trusted = rollout.status.iter().flat_map(|status| &status.trusted_revisions);
        let mut trusted = trusted.peekable();
        rollout.spec.target_ref.name == deployment
            && trusted.peek().is_some()
            && !trusted.any(|known| *known == revision)
    })
}

/// The Deployment that made the pod, and which of its revisions the pod is.
fn deployment_and_revision(pod: &Pod) -> Option<(&str, &str)> {
    let revision = pod.metadata.labels.as_ref()?.get(names::POD_TEMPLATE_HASH)?;
    let is_owner =
        |owner: &&OwnerReference| owner.controller == Some(true) && owner.kind == "ReplicaSet";
    let owner = pod.metadata.owner_references.as_ref()?.iter().find(is_owner)?;
    let deployment = owner.name.strip_suffix(revision.as_str())?.strip_suffix('-')?;
    Some((deployment, revision))
}

const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

#[cfg(test)]
impl Facts {
    /// Of a cluster with nothing in it.
    pub(crate) fn none() -> Self {
        use kube::runtime::reflector::store;
        Self { rollouts: store().0, namespaces: store().0 }
    }
}

#[cfg(test)]
mod tests;
