//! Who has to do with whom, kept beside the objects so that a change finds what it touches without
//! a search.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use cluster::watch::{ObjectName, Touched};
use ipnet::IpNet;

use crate::{
    compile::gateway_api::Parent,
    watch::{HttpRoute, Pod, Service, Slice},
};

/// What is related to what.
#[derive(Debug, Default)]
pub struct Relations {
    pods_by_address: Relation<IpAddr, ObjectName>,
    pods_by_node: Relation<Arc<str>, ObjectName>,
    gated: BTreeSet<ObjectName>,
    slices_by_service: Relation<ObjectName, ObjectName>,
    slices_by_pod: Relation<ObjectName, ObjectName>,
    /// Only of endpoints that name no pod.
    slices_by_address: Relation<IpAddr, ObjectName>,
    routes_by_parent: Relation<ObjectName, ObjectName>,
    routes_by_backend: Relation<ObjectName, ObjectName>,
    /// Networks that addresses in use lie in, and how many do.
    observed: BTreeMap<IpNet, usize>,
}

/// Many to many.
#[derive(Debug)]
struct Relation<K, V>(BTreeMap<K, BTreeSet<V>>);

impl Relations {
    /// Pods that have `address`.
    pub fn pods_at(&self, address: IpAddr) -> impl Iterator<Item = &ObjectName> {
        self.pods_by_address.of(&address)
    }

    /// Pods that run on `node`.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &ObjectName> {
        self.pods_by_node.0.get(node).into_iter().flatten()
    }

    /// Pods of `namespace` with our readiness gate.
    pub fn gated_in(&self, namespace: &str) -> impl Iterator<Item = &ObjectName> {
        let first = ObjectName::new(namespace, "");
        let namespace = Arc::clone(&first.namespace);
        self.gated.range(first..).take_while(move |name| name.namespace == namespace)
    }

    /// Slices of a service.
    pub fn slices_of(&self, service: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.slices_by_service.of(service)
    }

    /// Slices that list a pod by its name.
    pub fn slices_with(&self, pod: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.slices_by_pod.of(pod)
    }

    /// Slices that list an address without saying whose it is.
    pub fn slices_at(&self, address: IpAddr) -> impl Iterator<Item = &ObjectName> {
        self.slices_by_address.of(&address)
    }

    /// Addresses that slices list without saying whose they are.
    pub fn nameless(&self) -> impl Iterator<Item = IpAddr> {
        self.slices_by_address.0.keys().copied()
    }

    /// Slices that do so.
    pub fn nameless_slices(&self) -> impl Iterator<Item = &ObjectName> {
        self.slices_by_address.0.values().flatten()
    }

    /// Routes that are attached to a service.
    pub fn routes_attached_to(&self, service: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.routes_by_parent.of(service)
    }

    /// Routes that lead to a service.
    pub fn routes_leading_to(&self, service: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.routes_by_backend.of(service)
    }

    /// Routes that lead to anything in `namespace`.
    pub fn routes_leading_into(&self, namespace: &str) -> impl Iterator<Item = &ObjectName> {
        let first = ObjectName::new(namespace, "");
        let namespace = Arc::clone(&first.namespace);
        let all = self.routes_by_backend.0.range(first..);
        let own = all.take_while(move |(service, _)| service.namespace == namespace);
        own.flat_map(|(_, routes)| routes)
    }

    /// Networks that addresses in use lie in.
    pub fn observed(&self) -> impl Iterator<Item = IpNet> {
        self.observed.keys().copied()
    }

    /// A pod has changed. Whether a network has come into use or fallen out of it.
    pub fn pod(&mut self, touched: &Touched<Pod>) -> bool {
        let name = &touched.name;
        let mut networks = false;
        if let Some(pod) = touched.before.as_deref() {
            self.pods_by_node.unlink(&pod.node, name);
            self.gated.remove(name);
            for address in &pod.addresses {
                self.pods_by_address.unlink(address, name);
                networks |= self.forget(*address);
            }
        }
        if let Some(pod) = touched.after.as_deref() {
            self.pods_by_node.link(&pod.node, name);
            if pod.gate.is_some() {
                self.gated.insert(name.clone());
            }
            for address in &pod.addresses {
                self.pods_by_address.link(address, name);
                networks |= self.observe(*address);
            }
        }
        networks
    }

    /// A service has changed. Whether a network has come into use or fallen out of it.
    pub fn service(&mut self, touched: &Touched<Service>) -> bool {
        let addresses = |service: &Option<Arc<Service>>| {
            service.as_ref().map(|service| service.addresses.clone()).unwrap_or_default()
        };
        let mut networks = false;
        for address in addresses(&touched.before) {
            networks |= self.forget(address);
        }
        for address in addresses(&touched.after) {
            networks |= self.observe(address);
        }
        networks
    }

    /// A slice has changed.
    pub fn slice(&mut self, touched: &Touched<Slice>) {
        let name = &touched.name;
        if let Some(slice) = touched.before.as_deref() {
            self.slices_by_service.unlink(&slice.service, name);
            for endpoint in &slice.endpoints {
                match &endpoint.pod {
                    Some(pod) => self.slices_by_pod.unlink(&pod.name, name),
                    None => self.slices_by_address.unlink(&endpoint.address, name),
                }
            }
        }
        if let Some(slice) = touched.after.as_deref() {
            self.slices_by_service.link(&slice.service, name);
            for endpoint in &slice.endpoints {
                match &endpoint.pod {
                    Some(pod) => self.slices_by_pod.link(&pod.name, name),
                    None => self.slices_by_address.link(&endpoint.address, name),
                }
            }
        }
    }

    /// A route has changed.
    pub fn route(&mut self, touched: &Touched<HttpRoute>) {
        let name = &touched.name;
        if let Some(route) = touched.before.as_deref() {
            parents(name, route).iter().for_each(|it| self.routes_by_parent.unlink(it, name));
            backends(name, route).iter().for_each(|it| self.routes_by_backend.unlink(it, name));
        }
        if let Some(route) = touched.after.as_deref() {
            parents(name, route).iter().for_each(|it| self.routes_by_parent.link(it, name));
            backends(name, route).iter().for_each(|it| self.routes_by_backend.link(it, name));
        }
    }

    fn observe(&mut self, address: IpAddr) -> bool {
        let Some(network) = network(address) else { return false };
        let count = self.observed.entry(network).or_insert(0);
        *count += 1;
        *count == 1
    }

    fn forget(&mut self, address: IpAddr) -> bool {
        let Some(network) = network(address) else { return false };
        let Some(count) = self.observed.get_mut(&network) else { return false };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.observed.remove(&network);
        true
    }
}

/// The services that a route is attached to.
pub(super) fn parents(name: &ObjectName, route: &HttpRoute) -> BTreeSet<ObjectName> {
    let parents = route.spec.parent_refs.iter().filter_map(|parent| Parent::parse(parent, name));
    parents.map(|parent| parent.service).collect()
}

/// Everything that a route leads to, as if it were a service.
fn backends(name: &ObjectName, route: &HttpRoute) -> BTreeSet<ObjectName> {
    let backends = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    let service = |namespace: Option<&str>, service: &str| {
        ObjectName::new(namespace.unwrap_or(&name.namespace), service)
    };
    backends.map(|backend| service(backend.namespace.as_deref(), &backend.name)).collect()
}

/// Wide enough that not every new pod is news to every proxy, narrow enough to hold few strangers.
fn network(address: IpAddr) -> Option<IpNet> {
    let length = match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

impl<K: Ord + Clone, V: Ord + Clone> Relation<K, V> {
    fn of<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        self.0.get(key).into_iter().flatten()
    }

    fn link(&mut self, key: &K, value: &V) {
        self.0.entry(key.clone()).or_default().insert(value.clone());
    }

    fn unlink(&mut self, key: &K, value: &V) {
        if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

impl<K, V> Default for Relation<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
