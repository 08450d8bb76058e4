//! What a route says it is attached to.

use std::sync::Arc;

use api::gateway::ParentRef;
use cluster::watch::ObjectName;

use crate::watch::ServicePort;

/// A service that a route is attached to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parent {
    /// The service.
    pub service: ObjectName,
    /// Only the port with this number.
    pub port: Option<i32>,
    /// Only the port with this name.
    pub section: Option<Arc<str>>,
}

impl Parent {
    /// The service that `reference` names in the route `route`; nothing if it is no service, which
    /// is some gateway's business.
    #[must_use]
    pub fn parse(reference: &ParentRef, route: &ObjectName) -> Option<Self> {
        let is_service = reference.kind.as_deref() == Some("Service");
        if !is_service || reference.group.as_deref() != Some("") {
            return None;
        }
        let namespace = reference.namespace.as_deref().unwrap_or(&route.namespace);
        Some(Self {
            service: ObjectName::new(namespace, &reference.name),
            port: reference.port,
            section: reference.section_name.as_deref().map(Into::into),
        })
    }

    /// Whether this port of the service is meant.
    #[must_use]
    pub fn takes(&self, port: &ServicePort) -> bool {
        self.port.is_none_or(|number| number == i32::from(port.port))
            && self.section.as_ref().is_none_or(|name| *name == port.name)
    }
}
