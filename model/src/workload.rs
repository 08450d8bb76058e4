//! What is known of a peer by its address: the names that metrics and logs carry.
//!
//! Only labels: nothing here decides who may talk to whom. A peer's certificate does that.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crate::{identity::SpiffeId, revision::Revision};

/// A pod, as its peers name it. Absent names are empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workload {
    /// The pod's address.
    pub address: IpAddr,
    /// The pod's name.
    pub pod: Arc<str>,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The workload that made the pod: the Deployment's name rather than the ReplicaSet's.
    pub workload: Arc<str>,
    /// The label `app`, else `app.kubernetes.io/name`.
    pub app: Arc<str>,
    /// The label `version`, else `app.kubernetes.io/version`.
    pub version: Arc<str>,
    /// Istio's canonical service name: `service.istio.io/canonical-name`, else the app, else the
    /// workload.
    pub canonical_name: Arc<str>,
    /// Istio's canonical revision: `service.istio.io/canonical-revision`, else the version, else
    /// `latest`.
    pub canonical_revision: Arc<str>,
    /// The pod-template-hash, or its like.
    pub revision: Option<Revision>,
    /// The pod's service account.
    pub service_account: Arc<str>,
    /// The pod's identity if it has a proxy.
    pub identity: Option<SpiffeId>,
    /// Ports at which connections meet the application itself and not the pod's proxy: there the
    /// pod is spoken to in plain text, whatever its identity.
    pub plain_ports: BTreeSet<u16>,
    /// Whether names of headers are to arrive there as they were written.
    pub keeps_case: bool,
    /// The node it runs on.
    pub node: Arc<str>,
    /// The node's topology zone; empty if unknown.
    pub zone: Arc<str>,
}

impl Workload {
    /// The identity that a connection to `port` is answered with; nothing means plain text.
    #[must_use]
    pub fn identity_at(&self, port: u16) -> Option<&SpiffeId> {
        self.identity.as_ref().filter(|_| !self.plain_ports.contains(&port))
    }
}
