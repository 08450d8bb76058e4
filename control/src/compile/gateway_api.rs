//! The Gateway API: HTTPRoutes that are attached to services, compiled into routes of the model.
//!
//! A route in the service's own namespace holds for all callers (a producer's route); one in
//! another namespace holds for callers of that namespace alone (a consumer's), and replaces the
//! producer's there.

use std::{collections::BTreeMap, sync::Arc};

use cluster::watch::ObjectName;
use model::{route::Route, service::ServiceId};

pub use parent::Parent;
pub use rule::{Problem, Reading, Reason, read};
pub use verdict::{Said, Verdict, verdicts};

use crate::{index::World, watch::ServicePort};

mod matching;
mod parent;
mod precedence;
mod rule;
mod verdict;

/// The routes of one service port.
#[derive(Debug, Default)]
pub struct AttachedRoutes {
    /// For all callers.
    pub producer: Attached,
    /// For callers of these namespaces.
    pub consumers: BTreeMap<Arc<str>, Attached>,
}

/// Routes, in order of precedence, and the services they name.
#[derive(Debug, Default)]
pub struct Attached {
    /// The routes.
    pub routes: Vec<Route>,
    /// The services.
    pub backends: BTreeMap<ServiceId, ObjectName>,
}

/// Everything that is attached to the port `port` of the service `name`.
#[must_use]
pub fn attached(world: &World, name: &ObjectName, port: &ServicePort) -> AttachedRoutes {
    let mut found: BTreeMap<Arc<str>, Vec<precedence::Candidate>> = BTreeMap::new();
    let mut backends: BTreeMap<Arc<str>, BTreeMap<ServiceId, ObjectName>> = BTreeMap::new();
    for (route_name, route) in world.routes_attached_to(name) {
        let attaches = |parent: Parent| parent.service == *name && parent.takes(port);
        let parents = route.spec.parent_refs.iter();
        if !parents.filter_map(|it| Parent::parse(it, route_name)).any(attaches) {
            continue;
        }
        let reading = read(world, route_name, &route.spec);
        if reading.rules.is_empty() {
            continue;
        }
        let namespace = &route_name.namespace;
        backends.entry(Arc::clone(namespace)).or_default().extend(reading.services());
        let candidates = precedence::candidates(route_name, route.created, reading.rules);
        found.entry(Arc::clone(namespace)).or_default().extend(candidates);
    }
    let mut all = found.into_iter().map(|(namespace, candidates)| {
        let backends = backends.remove(&namespace).unwrap_or_default();
        (namespace, Attached { routes: precedence::sorted(candidates), backends })
    });
    let mut attached = AttachedRoutes::default();
    for (namespace, routes) in &mut all {
        if namespace == name.namespace {
            attached.producer = routes;
        } else {
            attached.consumers.insert(namespace, routes);
        }
    }
    attached
}

#[cfg(test)]
mod tests;
