//! What is kept of an HTTPRoute.
//!
//! Routes are read from what the API server holds, whatever its form: one that does not have the
//! form of an HTTPRoute is kept as far as it can be told so in its status.

use std::sync::Arc;

use api::gateway::{HttpRouteSpec, HttpRouteStatus, ParentRef};
use kube::core::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An HTTPRoute. Its spec is kept whole: what of it means something is for the compiler to say.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    /// The generation of the spec.
    pub generation: i64,
    /// When it was made, in seconds of Unix time.
    pub created: i64,
    /// What is asked for; if that cannot be read, only what the route is attached to.
    pub spec: Arc<HttpRouteSpec>,
    /// Which field of the spec cannot be read, and why. Nothing of the route is in force then.
    pub unreadable: Option<Arc<str>>,
    /// What is said of it, by us and by others; nothing if it cannot be read, and then it must not
    /// be written over.
    pub status: Option<Arc<HttpRouteStatus>>,
    /// The version that a new status must follow upon.
    pub version: Arc<str>,
}

impl HttpRoute {
    /// What is kept of `object`: something of every route.
    #[must_use]
    pub fn keep(object: &DynamicObject) -> Option<Self> {
        let (spec, unreadable) = match read::<HttpRouteSpec>(object, "spec") {
            Ok(spec) => (spec, None),
            Err(why) => {
                let parents = HttpRouteSpec { parent_refs: parents(object), ..Default::default() };
                (parents, Some(why.into()))
            }
        };
        let status = match object.data.get("status") {
            None | Some(Value::Null) => Some(HttpRouteStatus::default()),
            Some(_) => read(object, "status").ok(),
        };
        let meta = &object.metadata;
        Some(Self {
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            spec: Arc::new(spec),
            unreadable,
            status: status.map(Arc::new),
            version: meta.resource_version.as_deref().unwrap_or_default().into(),
        })
    }
}

/// A part of an object, or the first field of it that does not have the form, and why.
fn read<T: DeserializeOwned>(object: &DynamicObject, part: &str) -> Result<T, String> {
    let value = object.data.get(part).unwrap_or(&Value::Null);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { part.to_owned() } else { format!("{part}.{path}") };
        format!("{field}: {}", error.inner())
    })
}

/// The parents that can be read, of a route of which other things cannot.
fn parents(object: &DynamicObject) -> Vec<ParentRef> {
    let all = object.data.pointer("/spec/parentRefs").and_then(Value::as_array);
    let parents = all.into_iter().flatten().cloned();
    parents.filter_map(|parent| serde_json::from_value(parent).ok()).collect()
}
