//! What is kept of a ReferenceGrant: which routes it lets lead to which services.

use std::{collections::BTreeSet, sync::Arc};

use api::gateway::{GATEWAY_GROUP, ReferenceGrant};
use cluster::watch::ObjectName;
use kube::core::DeserializeGuard;
use tracing::warn;

/// Lets HTTPRoutes of other namespaces lead to services of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The namespaces of the routes.
    from: BTreeSet<Arc<str>>,
    /// The services; nothing means all of them.
    to: Option<BTreeSet<Arc<str>>>,
}

impl Grant {
    /// What is kept of `object`: nothing if it is not about HTTPRoutes and Services. One that
    /// cannot be read grants nothing; the routes that need it say so, for it has no status.
    #[must_use]
    pub fn keep(object: &DeserializeGuard<ReferenceGrant>) -> Option<Self> {
        let spec = match &object.0 {
            Ok(grant) => &grant.spec,
            Err(error) => {
                let name = ObjectName::of(object);
                warn!(grant = %name, error = %error.error, "a ReferenceGrant cannot be read");
                return None;
            }
        };
        let routes =
            spec.from.iter().filter(|from| from.group == GATEWAY_GROUP && from.kind == "HTTPRoute");
        let from: BTreeSet<Arc<str>> = routes.map(|from| from.namespace.as_str().into()).collect();
        let services = spec.to.iter().filter(|to| to.group.is_empty() && to.kind == "Service");
        let names: Vec<Option<&str>> = services.map(|to| to.name.as_deref()).collect();
        if from.is_empty() || names.is_empty() {
            return None;
        }
        // One entry without a name is enough for all.
        Some(Self { from, to: names.into_iter().map(|name| name.map(Into::into)).collect() })
    }

    /// Whether routes of `namespace` may lead to the service called `service`.
    #[must_use]
    pub fn permits(&self, namespace: &str, service: &str) -> bool {
        self.from.contains(namespace)
            && self.to.as_ref().is_none_or(|services| services.contains(service))
    }
}
