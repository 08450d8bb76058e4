//! Where a service can be reached: what its slices say, and pods whose gate is shut, which slices
//! do not show.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use cluster::watch::ObjectName;
use model::{
    endpoint::{Endpoint, Endpoints, Readiness},
    service::ServiceId,
};

use super::{mesh::is_a_pods, workload};
use crate::{
    index::World,
    watch::{Family, Gate, Pod, Service, ServicePort, SliceEndpoint, TargetPod, TargetPort},
};

/// The endpoints of one port of the service `name`.
#[must_use]
pub fn endpoints(
    world: &World,
    name: &ObjectName,
    service: &Service,
    port: &ServicePort,
) -> Endpoints {
    let mut found = listed(world, name, service.family, port, Pick::Ready);
    if !found.values().any(|endpoint| endpoint.readiness == Readiness::Ready) {
        // As kube-proxy does: better a pod that is going than none at all.
        found.extend(listed(world, name, service.family, port, Pick::Ending));
    }
    for (address, endpoint) in gated(world, name, service, port) {
        found.entry(address).or_insert(endpoint);
    }
    Endpoints { id: world.service_id(name, port.port), endpoints: found.into_values().collect() }
}

/// All of a service's ports at once.
#[must_use]
pub fn of_service(
    world: &World,
    name: &ObjectName,
    service: &Service,
) -> BTreeMap<ServiceId, Endpoints> {
    let all = service.ports.iter().map(|port| endpoints(world, name, service, port));
    all.map(|endpoints| (endpoints.id.clone(), endpoints)).collect()
}

/// The port of `pod` that `port` leads to.
#[must_use]
pub fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            pod.ports.iter().find(|named| named.name == *name).map(|named| named.port)
        }
    }
}

/// Which of the listed endpoints are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pick {
    /// Those that are ready and stay.
    Ready,
    /// Those that are on their way out and still answer.
    Ending,
}

/// The endpoints that slices list. One family is enough: each pod is one endpoint.
fn listed(
    world: &World,
    name: &ObjectName,
    family: Family,
    port: &ServicePort,
    pick: Pick,
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut found = BTreeMap::new();
    for slice in world.slices_of(name).filter(|slice| slice.family == family) {
        let targets = slice.ports.iter().filter(|target| target.name == port.name);
        for (target, listed) in targets.flat_map(|it| slice.endpoints.iter().map(move |e| (it, e)))
        {
            let address = SocketAddr::new(listed.address, target.port);
            found.extend(known(world, listed, address, pick).map(|endpoint| (address, endpoint)));
        }
    }
    found
}

/// What is known of a listed endpoint; nothing if it names a pod that is not known (any more, or
/// yet): whether it has a proxy decides between mutual TLS and plain text, so it is never guessed.
/// Who writes a slice by hand need not name the pod; its address tells which one it is, or that it
/// is one.
fn known(
    world: &World,
    listed: &SliceEndpoint,
    address: SocketAddr,
    pick: Pick,
) -> Option<Endpoint> {
    let wanted = |going: bool| match pick {
        Pick::Ready => listed.ready && !going,
        Pick::Ending => listed.serves_while_ending || (listed.ready && going),
    };
    let found = match &listed.pod {
        Some(target) => Some((&target.name, named(world, target)?)),
        None => workload::at(world, address.ip()),
    };
    let Some((name, pod)) = found else {
        if is_a_pods(world, address.ip()) {
            return None;
        }
        let endpoint = Endpoint { zone: Arc::clone(&listed.zone), ..Endpoint::plain(address) };
        return wanted(false).then_some(endpoint);
    };
    // A pod is known to be going before its slice says so.
    if !wanted(pod.deleting) {
        return None;
    }
    let mut endpoint = describe(world, name, pod, address);
    if !listed.zone.is_empty() {
        endpoint.zone = Arc::clone(&listed.zone);
    }
    if pod.gate == Some(Gate::Shut) {
        // Services that publish addresses of unready pods list it all the same.
        endpoint.readiness = Readiness::Gated;
    }
    Some(endpoint)
}

/// The pod that an endpoint names, unless another has taken the name since.
fn named<'a>(world: &'a World, target: &TargetPod) -> Option<&'a Pod> {
    world.pod(&target.name).filter(|pod| target.uid.is_empty() || target.uid == pod.uid)
}

/// Pods of `service` with our gate that could serve but for it. An open gate counts too: between
/// its opening and the slice that says so, the pod must not vanish.
fn gated<'a>(
    world: &'a World,
    name: &'a ObjectName,
    service: &'a Service,
    port: &'a ServicePort,
) -> impl Iterator<Item = (SocketAddr, Endpoint)> + 'a {
    let able = |pod: &Pod| {
        let node_ready = world.node(&pod.node).is_some_and(|node| node.ready);
        pod.containers_ready && !pod.deleting && node_ready
    };
    let gated = world.gated_in(&name.namespace);
    let pods = gated.filter(move |(_, pod)| pod.is_selected_by(&service.selector) && able(pod));
    pods.filter_map(move |(name, pod)| {
        let mut addresses = pod.addresses.iter().copied();
        let address = addresses.find(|address| Family::of(*address) == service.family)?;
        let address = SocketAddr::new(address, target(port, pod)?);
        let readiness = Readiness::Gated;
        Some((address, Endpoint { readiness, ..describe(world, name, pod, address) }))
    })
}

fn describe(world: &World, name: &ObjectName, pod: &Pod, address: SocketAddr) -> Endpoint {
    Endpoint {
        address,
        identity: workload::identity_at(world, name, pod, address.port()),
        revision: workload::revision(pod),
        readiness: Readiness::Ready,
        zone: workload::zone(world, pod),
        keeps_case: pod.keeps_case,
    }
}

#[cfg(test)]
mod tests;
