//! Where a service can be reached: one address per pod and port, with what the caller needs to know
//! of it.

use std::{net::SocketAddr, sync::Arc};

use crate::{identity::SpiffeId, revision::Revision, service::ServiceId};

/// All endpoints of a service that may get traffic under some split.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoints {
    /// The service they belong to.
    pub id: ServiceId,
    /// In order of address.
    pub endpoints: Vec<Endpoint>,
}

/// One address of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The pod's address and target port.
    pub address: SocketAddr,
    /// The pod's identity if it has a proxy that takes this port; nothing means plain text.
    pub identity: Option<SpiffeId>,
    /// The pod-template-hash (or its like) that the pod was made from.
    pub revision: Option<Revision>,
    /// Whether Kubernetes counts the pod as ready.
    pub readiness: Readiness,
    /// The node's topology zone; empty if unknown.
    pub zone: Arc<str>,
    /// Whether names of headers are to arrive there as they were written.
    pub keeps_case: bool,
}

/// Whether an endpoint may serve without a rollout saying so.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Readiness {
    /// Ready in its EndpointSlice.
    Ready,
    /// All containers are ready, but Serin's readiness gate is shut: only a rollout's share reaches
    /// it.
    Gated,
}

impl Endpoint {
    /// A ready endpoint without a proxy, of which nothing else is known.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        let (readiness, keeps_case) = (Readiness::Ready, false);
        Self {
            address,
            identity: None,
            revision: None,
            readiness,
            zone: Arc::default(),
            keeps_case,
        }
    }
}
