//! Mesh-wide defaults, and which addresses are the mesh's own.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use model::mesh::Mesh;

use crate::index::World;

/// What holds for the whole mesh; nothing before it is declared.
#[must_use]
pub fn mesh(world: &World) -> Option<Mesh> {
    let installation = world.installation.as_deref()?;
    let declared = &installation.cidrs;
    Some(Mesh {
        trust_domain: installation.trust_domain.clone(),
        cidrs: if declared.is_empty() { found(world) } else { IpNet::aggregate(declared) },
        outbound: installation.outbound,
        access_log: installation.access_log,
    })
}

/// Addresses at which there is a pod, or a service, or nothing at all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnAddresses {
    cidrs: Vec<IpNet>,
    /// Nodes whose addresses lie in these ranges all the same.
    nodes: BTreeSet<IpAddr>,
}

impl OwnAddresses {
    /// What is declared, else what the cluster names. Networks that are only observed are not
    /// among them: strangers may live there.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let declared = world.installation.iter().flat_map(|it| it.cidrs.iter().copied());
        let declared: Vec<IpNet> = declared.collect();
        let cidrs = if declared.is_empty() { named(world) } else { IpNet::aggregate(&declared) };
        let nodes = world.nodes.iter().flat_map(|(_, node)| node.addresses.iter().copied());
        let lies_within = |address: &IpAddr| cidrs.iter().any(|cidr| cidr.contains(address));
        let nodes = nodes.filter(lies_within).collect();
        Self { cidrs, nodes }
    }

    /// Whether nobody but a pod or a service can have this address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidrs.iter().any(|cidr| cidr.contains(&address)) && !self.nodes.contains(&address)
    }
}

/// Ranges that the cluster names, and around addresses in use that lie outside of them: networks
/// that give pods addresses by themselves do not fill in a node's range.
fn found(world: &World) -> Vec<IpNet> {
    let mut cidrs = named(world);
    let known = |net: &IpNet| cidrs.iter().any(|cidr| cidr.contains(net));
    let observed: Vec<IpNet> = world.relations.observed().filter(|net| !known(net)).collect();
    cidrs.extend(observed);
    IpNet::aggregate(&cidrs)
}

/// Ranges that the cluster gives to services and to nodes for their pods.
fn named(world: &World) -> Vec<IpNet> {
    let services = world.service_cidrs.iter().flat_map(|(_, cidr)| cidr.0.iter().copied());
    let pods = world.nodes.iter().flat_map(|(_, node)| node.cidrs.iter().copied());
    IpNet::aggregate(&services.chain(pods).collect())
}
