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
        tracing: installation.tracing.clone(),
    })
}

/// Addresses at which there is a pod, or a service, or nothing at all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnAddresses {
    cidrs: Vec<IpNet>,
    /// Addresses in these ranges that somebody else has all the same.
    others: BTreeSet<IpAddr>,
}

impl OwnAddresses {
    /// What is declared, else what the cluster names. Networks that are only observed are not
    /// among them: strangers may live there. Nor are addresses that the cluster says are a node's,
    /// a load balancer's or those of an endpoint that names no pod. One that it gives to pods or
    /// services itself is theirs, whoever lists it.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let declared = world.installation.iter().flat_map(|it| it.cidrs.iter().copied());
        let (declared, named): (Vec<IpNet>, _) = (declared.collect(), named(world));
        let nodes = world.nodes.iter().flat_map(|(_, node)| node.addresses.iter().copied());
        let outside = world.services.iter().flat_map(|(_, it)| it.outside.iter().copied());
        let outside = outside.chain(world.relations.nameless());
        let others = nodes.chain(outside.filter(|address| !lies_in(&named, *address)));
        let cidrs = if declared.is_empty() { named.clone() } else { IpNet::aggregate(&declared) };
        let others = others.filter(|address| lies_in(&cidrs, *address)).collect();
        Self { cidrs, others }
    }

    /// Whether nobody but a pod or a service can have this address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        lies_in(&self.cidrs, address) && !self.others.contains(&address)
    }
}

/// Whether nobody but a pod can have this address: nodes take their pods' from there. Networks that
/// are declared are not asked: who lists an address of theirs by hand may mean a stranger.
#[must_use]
pub fn is_a_pods(world: &World, address: IpAddr) -> bool {
    world.nodes.iter().any(|(_, node)| lies_in(&node.cidrs, address))
        && !world.nodes.iter().any(|(_, node)| node.addresses.contains(&address))
}

fn lies_in(cidrs: &[IpNet], address: IpAddr) -> bool {
    cidrs.iter().any(|cidr| cidr.contains(&address))
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
