//! Compiles what has changed and puts it where it is served.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use cluster::watch::ObjectName;
use model::service::ServiceId;

use super::{dirty::Dirty, world::World};
use crate::{
    compile::{self, mesh::OwnAddresses, service::Seen},
    snapshot::{PodView, ServiceViews, Snapshot},
    view::PodFacts,
};

/// The newest snapshot in the making, and what each service put into it.
#[derive(Debug)]
pub struct Settled {
    snapshot: Snapshot,
    services: BTreeMap<ObjectName, Made>,
    /// Pods by name, because what is removed has no uid any more.
    pods: BTreeMap<ObjectName, Arc<str>>,
}

/// What one service put into the snapshot.
#[derive(Debug, Default, Eq, PartialEq)]
struct Made {
    ids: Vec<ServiceId>,
    addresses: Vec<(SocketAddr, ServiceId)>,
}

impl Settled {
    /// Starts from nothing.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let snapshot = Snapshot::empty(world.domain.clone());
        Self { snapshot, services: BTreeMap::new(), pods: BTreeMap::new() }
    }

    /// The snapshot as it stands: a cheap copy.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Makes the snapshot follow the world in everything that is `dirty`.
    pub fn settle(&mut self, world: &World, dirty: Dirty) {
        let Dirty { services, endpoints, pods, addresses, routes: _, mesh, trust } = dirty;
        // What is gone leaves first: its addresses may have gone to another.
        let (kept, gone): (Vec<_>, Vec<_>) =
            services.into_iter().partition(|name| world.services.get(name).is_some());
        gone.iter().for_each(|name| self.remove_service(name));
        kept.iter().for_each(|name| self.service(world, name));
        endpoints.iter().for_each(|name| self.endpoints(world, name));
        pods.iter().for_each(|name| self.pod(world, name));
        for address in addresses {
            match compile::workload::workload(world, address) {
                Some(workload) => self.snapshot.workloads.put(address, Arc::new(workload)),
                None => self.snapshot.workloads.remove(&address),
            }
        }
        if mesh {
            let held = self.snapshot.mesh.take();
            let next = compile::mesh::mesh(world);
            self.snapshot.mesh = next.map(|next| shared(held.as_ref(), next));
            self.snapshot.own = shared(Some(&self.snapshot.own), OwnAddresses::of(world));
        }
        if trust {
            self.snapshot.trust.clone_from(&world.trust);
        }
    }

    fn service(&mut self, world: &World, name: &ObjectName) {
        let Some(service) = world.services.get(name) else { return };
        let mut made = Made::default();
        for port in &service.ports {
            let id = world.service_id(name, port.port);
            for address in &service.addresses {
                made.addresses.push((SocketAddr::new(*address, port.port), id.clone()));
            }
            let views = views(
                compile::service::service(world, name, port),
                self.snapshot.services.get(&id).map(AsRef::as_ref),
            );
            self.snapshot.services.put(id.clone(), Arc::new(views));
            made.ids.push(id);
        }
        if self.services.get(name) != Some(&made) {
            self.remove_except(name, &made);
            for (address, id) in &made.addresses {
                self.snapshot.destinations.put(*address, id.clone());
            }
            self.services.insert(name.clone(), made);
        }
    }

    fn remove_service(&mut self, name: &ObjectName) {
        self.remove_except(name, &Made::default());
        self.services.remove(name);
    }

    /// Removes what the service had put there and is not in `made`. An address that another service
    /// has taken over since is that service's.
    fn remove_except(&mut self, name: &ObjectName, made: &Made) {
        let Some(before) = self.services.get(name) else { return };
        for id in before.ids.iter().filter(|id| !made.ids.contains(id)) {
            self.snapshot.services.remove(id);
            self.snapshot.endpoints.remove(id);
        }
        for (address, id) in before.addresses.iter().filter(|it| !made.addresses.contains(it)) {
            if self.snapshot.destinations.get(address) == Some(id) {
                self.snapshot.destinations.remove(address);
            }
        }
    }

    fn endpoints(&mut self, world: &World, name: &ObjectName) {
        let Some(service) = world.services.get(name) else { return };
        for (id, endpoints) in compile::endpoints::of_service(world, name, service) {
            self.snapshot.endpoints.put(id, Arc::new(endpoints));
        }
    }

    fn pod(&mut self, world: &World, name: &ObjectName) {
        let pod = world.pod(name);
        let uid = pod.map(|pod| Arc::clone(&pod.uid));
        if let Some(before) = self.pods.get(name)
            && Some(before) != uid.as_ref()
        {
            self.snapshot.pods.remove(before);
            self.pods.remove(name);
        }
        let (Some(pod), Some(uid)) = (pod, uid) else { return };
        let facts = PodFacts {
            name: Arc::clone(&name.name),
            namespace: Arc::clone(&name.namespace),
            service_account: Arc::clone(&pod.service_account),
            addresses: pod.addresses.clone(),
        };
        let held = self.snapshot.pods.get(&uid).and_then(|view| view.inbound.as_ref());
        let inbound = compile::inbound::inbound(world, name, pod);
        let inbound = inbound.map(|inbound| shared(held, inbound));
        self.snapshot.pods.put(Arc::clone(&uid), Arc::new(PodView { facts, inbound }));
        self.pods.insert(name.clone(), uid);
    }
}

/// The same content stays the same `Arc`.
fn shared<T: PartialEq>(held: Option<&Arc<T>>, next: T) -> Arc<T> {
    match held {
        Some(held) if **held == next => Arc::clone(held),
        Some(_) | None => Arc::new(next),
    }
}

fn views(seen: Seen, before: Option<&ServiceViews>) -> ServiceViews {
    let consumers = seen.by_consumers.into_iter().map(|(namespace, service)| {
        let held = before.and_then(|views| views.by_consumers.get(&namespace));
        (namespace, shared(held, service))
    });
    ServiceViews {
        by_consumers: consumers.collect(),
        by_others: shared(before.map(|views| &views.by_others), seen.by_others),
    }
}
