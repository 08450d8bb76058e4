//! What is kept of an HTTPRoute.

use std::sync::Arc;

use api::gateway::{HTTPRoute, HttpRouteSpec, HttpRouteStatus};
use kube::core::DeserializeGuard;

/// An HTTPRoute. Its spec is kept whole: what of it means something is for the compiler to say.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    /// The generation of the spec.
    pub generation: i64,
    /// When it was made, in seconds of Unix time.
    pub created: i64,
    /// What is asked for.
    pub spec: Arc<HttpRouteSpec>,
    /// What is said of it, by us and by others.
    pub status: Arc<HttpRouteStatus>,
    /// The version that a new status must follow upon.
    pub version: Arc<str>,
}

impl HttpRoute {
    /// What is kept of `object`: nothing if its spec does not have the form of an HTTPRoute.
    #[must_use]
    pub fn keep(object: &DeserializeGuard<HTTPRoute>) -> Option<Self> {
        let route = object.0.as_ref().ok()?;
        let meta = &route.metadata;
        Some(Self {
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            spec: Arc::new(route.spec.clone()),
            status: Arc::new(route.status.clone().unwrap_or_default()),
            version: meta.resource_version.as_deref().unwrap_or_default().into(),
        })
    }
}
