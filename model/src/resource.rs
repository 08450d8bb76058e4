//! What a key is answered with.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    decision::RolloutId, endpoint::Endpoints, inbound::Inbound, mesh::Mesh, service::Service,
    service::ServiceId, trust::Trust, workload::Workload,
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
    /// A pod of the cluster, reached by its own address: ask for the workload. Nothing may be known
    /// of it, any more or yet.
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

    /// The decision number of each rollout that has a part in it.
    #[must_use]
    pub fn rollouts(&self) -> BTreeMap<RolloutId, u64> {
        let mut rollouts = BTreeMap::new();
        if let Self::Service(service) = self {
            for split in service.backends.values().filter_map(|backend| backend.split.as_ref()) {
                let number = rollouts.entry(split.rollout.clone()).or_insert(0);
                *number = split.decision.max(*number);
            }
        }
        rollouts
    }

    /// Whether following this after `held` would go back on a decision.
    ///
    /// Numbers are compared for each rollout alone: those of two rollouts have nothing to do with
    /// each other, and a rollout that is not mentioned any more is over.
    #[must_use]
    pub fn falls_behind(&self, held: &Self) -> bool {
        match (self, held) {
            (Self::Trust(next), Self::Trust(held)) => next.decision < held.decision,
            (Self::Service(_), Self::Service(_)) => {
                let held = held.rollouts();
                let behind =
                    |(rollout, number)| held.get(rollout).is_some_and(|held| number < held);
                self.rollouts().iter().any(behind)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
