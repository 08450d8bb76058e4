//! What a key is answered with.

use std::sync::Arc;

use crate::{
    endpoint::Endpoints, inbound::Inbound, mesh::Mesh, service::Service, service::ServiceId,
    trust::Trust, workload::Workload,
};

/// The content of a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resource {
    /// For an address and for a host name.
    Destination(Destination),
    /// For a service.
    Service(Arc<Service>),
    /// For a service's endpoints.
    Endpoints(Arc<Endpoints>),
    /// For a peer.
    Workload(Arc<Workload>),
    /// For the asker itself.
    Inbound(Arc<Inbound>),
    /// For the roots.
    Trust(Arc<Trust>),
    /// For mesh-wide defaults.
    Mesh(Arc<Mesh>),
}

/// What is at an address or a host name: a name only, so that it changes rarely.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Destination {
    /// A service: ask for it by name.
    Service(ServiceId),
    /// A pod of the cluster, reached by its own address: ask for the workload.
    Workload,
}

impl Resource {
    /// The decision number, for what must never go back.
    #[must_use]
    pub fn decision(&self) -> u64 {
        match self {
            Self::Trust(trust) => trust.decision,
            Self::Service(service) => service
                .backends
                .values()
                .filter_map(|backend| backend.split.as_ref())
                .map(|split| split.decision)
                .max()
                .unwrap_or(0),
            Self::Destination(_)
            | Self::Endpoints(_)
            | Self::Workload(_)
            | Self::Inbound(_)
            | Self::Mesh(_) => 0,
        }
    }
}
