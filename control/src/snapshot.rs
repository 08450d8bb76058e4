//! What is served, at one moment: every resource compiled, found by hash.
//!
//! A snapshot never changes. The next one shares all parts of it that are the same, down to the
//! `Arc` of each resource, so that sessions tell by the pointer what they need not look at.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use model::{
    endpoint::Endpoints,
    inbound::Inbound,
    key::Key,
    mesh::Mesh,
    resource::{Destination, Resource},
    service::{Service, ServiceId},
    trust::Trust,
    workload::Workload,
};

pub use shards::Shards;

use crate::{
    compile::{destination::ClusterDomain, mesh::OwnAddresses},
    view::{Asker, PodFacts, View},
};

mod shards;

/// Everything that proxies can be told.
#[derive(Clone, PartialEq)]
pub struct Snapshot {
    /// Where services have their names.
    pub domain: ClusterDomain,
    /// The cluster addresses of services.
    pub destinations: Shards<SocketAddr, ServiceId>,
    /// Services.
    pub services: Shards<ServiceId, Arc<ServiceViews>>,
    /// Their endpoints.
    pub endpoints: Shards<ServiceId, Arc<Endpoints>>,
    /// Pods by address.
    pub workloads: Shards<IpAddr, Arc<Workload>>,
    /// Pods by uid.
    pub pods: Shards<Arc<str>, Arc<PodView>>,
    /// The roots.
    pub trust: Option<Arc<Trust>>,
    /// Mesh-wide defaults.
    pub mesh: Option<Arc<Mesh>>,
    /// Addresses that only pods and services have.
    pub own: Arc<OwnAddresses>,
}

/// A service, as seen from each namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceViews {
    /// From all namespaces but these.
    pub by_others: Arc<Service>,
    /// From namespaces with routes of their own for it.
    pub by_consumers: BTreeMap<Arc<str>, Arc<Service>>,
}

/// A pod and its own policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PodView {
    /// What sessions need to know.
    pub facts: PodFacts,
    /// What its proxy is told, if it has one.
    pub inbound: Option<Arc<Inbound>>,
}

impl Snapshot {
    /// Nothing at all.
    #[must_use]
    pub fn empty(domain: ClusterDomain) -> Self {
        Self {
            domain,
            destinations: Shards::default(),
            services: Shards::default(),
            endpoints: Shards::default(),
            workloads: Shards::default(),
            pods: Shards::default(),
            trust: None,
            mesh: None,
            own: Arc::default(),
        }
    }

    /// A pod is found by its address whatever the port: the proxy behind it refuses what is not the
    /// pod's. An address that only a pod can have is a pod's before it was seen here and when it is
    /// gone: nothing answers for the workload then, so that nobody takes it for a stranger who is
    /// spoken to in plain text.
    fn at(&self, address: SocketAddr) -> Option<Destination> {
        if let Some(id) = self.destinations.get(&address) {
            return Some(Destination::Service(id.clone()));
        }
        let ip = address.ip();
        let is_pods = self.workloads.get(&ip).is_some() || self.own.contains(ip);
        is_pods.then_some(Destination::Workload)
    }

    fn host(&self, asker: &Asker, host: &ServiceId) -> Option<Destination> {
        let id = self.domain.named_by(host, &asker.namespace)?;
        self.services.get(&id).map(|_| Destination::Service(id))
    }
}

impl View for Snapshot {
    fn resolve(&self, asker: &Asker, key: &Key) -> Option<Resource> {
        match key {
            Key::Address(address) => self.at(*address).map(Resource::Destination),
            Key::Host(host) => self.host(asker, host).map(Resource::Destination),
            Key::Service(id) => {
                let views = self.services.get(id)?;
                let own = views.by_consumers.get(&asker.namespace);
                Some(Resource::Service(Arc::clone(own.unwrap_or(&views.by_others))))
            }
            Key::Endpoints(id) => self.endpoints.get(id).cloned().map(Resource::Endpoints),
            Key::Workload(address) => self.workloads.get(address).cloned().map(Resource::Workload),
            Key::Inbound => {
                let inbound = self.pods.get(&asker.pod_uid)?.inbound.clone();
                inbound.map(Resource::Inbound)
            }
            Key::Trust => self.trust.clone().map(Resource::Trust),
            Key::Mesh => self.mesh.clone().map(Resource::Mesh),
        }
    }

    fn pod(&self, uid: &str) -> Option<PodFacts> {
        self.pods.get(uid).map(|pod| pod.facts.clone())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("services", &self.services.len())
            .field("workloads", &self.workloads.len())
            .field("pods", &self.pods.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
