//! Mesh-wide defaults, and which addresses are the mesh's own.

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

/// Ranges that the cluster names, and around addresses in use that lie outside of them: networks
/// that give pods addresses by themselves do not fill in a node's range.
fn found(world: &World) -> Vec<IpNet> {
    let services = world.service_cidrs.iter().flat_map(|(_, cidr)| cidr.0.iter().copied());
    let pods = world.nodes.iter().flat_map(|(_, node)| node.cidrs.iter().copied());
    let mut cidrs = IpNet::aggregate(&services.chain(pods).collect());
    let known = |net: &IpNet| cidrs.iter().any(|cidr| cidr.contains(net));
    let observed: Vec<IpNet> = world.relations.observed().filter(|net| !known(net)).collect();
    cidrs.extend(observed);
    IpNet::aggregate(&cidrs)
}
