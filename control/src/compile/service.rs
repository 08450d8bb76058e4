//! A service as its callers see it: its own routes, those of a caller's namespace, and what holds
//! for each backend.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cluster::watch::ObjectName;
use model::service::{Backend, Service};

use super::gateway_api::{self, Attached};
use crate::{index::World, watch::ServicePort};

/// One port of a service, as seen from everywhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// From everywhere but the namespaces below.
    pub by_others: Service,
    /// From namespaces with routes of their own for it, which replace the service's (GEP-1426).
    pub by_consumers: BTreeMap<Arc<str>, Service>,
}

/// The port `port` of the service `name`.
#[must_use]
pub fn service(world: &World, name: &ObjectName, port: &ServicePort) -> Seen {
    let attached = gateway_api::attached(world, name, port);
    let see = |attached: Attached| seen_with(world, name, port, attached);
    let consumers = attached.consumers.into_iter();
    Seen {
        by_others: see(attached.producer),
        by_consumers: consumers.map(|(namespace, routes)| (namespace, see(routes))).collect(),
    }
}

fn seen_with(world: &World, name: &ObjectName, port: &ServicePort, attached: Attached) -> Service {
    let id = world.service_id(name, port.port);
    let Attached { routes, mut backends } = attached;
    backends.insert(id.clone(), name.clone());
    let backends = backends.into_iter().map(|(id, name)| (id, backend(world, &name)));
    Service {
        id,
        name: Arc::clone(&name.name),
        namespace: Arc::clone(&name.namespace),
        protocol: port.protocol,
        routes,
        backends: backends.collect(),
    }
}

fn backend(world: &World, name: &ObjectName) -> Backend {
    Backend {
        name: Arc::clone(&name.name),
        namespace: Arc::clone(&name.namespace),
        split: world.decisions.split(name).cloned(),
        connect_timeout: CONNECT_TIMEOUT,
    }
}

/// Long enough for one lost SYN, which Linux sends again after a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
