//! What a pod's own proxy must know of it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use cluster::watch::ObjectName;
use model::{
    inbound::{Inbound, InboundPort, InboundService},
    service::Protocol,
};

use super::{endpoints::target, workload::identity};
use crate::{index::World, watch::Pod};

/// The policy of the pod `name`; nothing if it has no proxy.
#[must_use]
pub fn inbound(world: &World, name: &ObjectName, pod: &Pod) -> Option<Inbound> {
    let mtls = world.installation.as_ref()?.mtls;
    let identity = identity(world, name, pod)?;
    Some(Inbound { identity, mtls, ports: ports(world, name, pod) })
}

/// Every port that a service leads to. Where several lead to one port, the first by name is shown,
/// and what they say of the protocol counts if they agree.
fn ports(world: &World, name: &ObjectName, pod: &Pod) -> BTreeMap<u16, InboundPort> {
    let mut ports: BTreeMap<u16, InboundPort> = BTreeMap::new();
    for (service_name, service) in world.services.in_namespace(&name.namespace) {
        if !pod.is_selected_by(&service.selector) {
            continue;
        }
        for port in &service.ports {
            let Some(number) = target(port, pod) else { continue };
            match ports.entry(number) {
                Entry::Vacant(vacant) => {
                    let id = world.service_id(service_name, port.port);
                    let (name, namespace) = (&service_name.name, &service_name.namespace);
                    let (name, namespace) = (Arc::clone(name), Arc::clone(namespace));
                    let service = Some(InboundService { id, name, namespace });
                    vacant.insert(InboundPort { protocol: port.protocol, service });
                }
                Entry::Occupied(mut taken) if taken.get().protocol != port.protocol => {
                    taken.get_mut().protocol = Protocol::Detect;
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    ports
}
