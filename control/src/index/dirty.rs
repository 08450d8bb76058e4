//! What has to be compiled again.

use std::{collections::BTreeSet, net::IpAddr};

use cluster::watch::ObjectName;

/// Names of what is not as it was compiled.
#[derive(Debug, Default)]
pub struct Dirty {
    /// Services: their addresses, routes and backends.
    pub services: BTreeSet<ObjectName>,
    /// Services whose endpoints differ.
    pub endpoints: BTreeSet<ObjectName>,
    /// Pods: their facts and their own policy.
    pub pods: BTreeSet<ObjectName>,
    /// Addresses of pods.
    pub addresses: BTreeSet<IpAddr>,
    /// Routes whose verdict may differ.
    pub routes: BTreeSet<ObjectName>,
    /// Mesh-wide defaults.
    pub mesh: bool,
    /// The roots.
    pub trust: bool,
}

impl Dirty {
    /// Whether everything is as it was compiled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { services, endpoints, pods, addresses, routes, mesh, trust } = self;
        services.is_empty()
            && endpoints.is_empty()
            && pods.is_empty()
            && addresses.is_empty()
            && routes.is_empty()
            && !mesh
            && !trust
    }
}
