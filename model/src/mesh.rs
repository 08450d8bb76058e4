//! What holds for the whole mesh.

mod access_log;
mod tracing;

use std::net::IpAddr;

use ipnet::IpNet;

pub use self::{
    access_log::{AccessLog, Encoding},
    tracing::{InvalidCollector, Otlp, TRACES_PATH, Tracing},
};
use crate::identity::TrustDomain;

/// Mesh-wide defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mesh {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// The addresses of pods and services: for them a look-up that fails is never answered in plain
    /// text.
    pub cidrs: Vec<IpNet>,
    /// What happens to traffic that leaves the mesh.
    pub outbound: OutboundPolicy,
    /// How requests are logged; nothing if they are not, but for pods that say otherwise.
    pub access_log: Option<AccessLog>,
    /// Where spans of requests go; nothing if there are to be none.
    pub tracing: Option<Tracing>,
}

/// What happens to traffic to a destination that the mesh does not know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum OutboundPolicy {
    /// It passes, as if there were no proxy.
    #[default]
    AllowAny,
    /// It is refused.
    RegistryOnly,
}

impl Mesh {
    /// Whether `address` is one of the mesh's own.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidrs.iter().any(|cidr| cidr.contains(&address))
    }
}
