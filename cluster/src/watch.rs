//! Watches: what a process keeps of one kind of object, kept current.
//!
//! A watch lists a kind, follows it and turns what the API server says into [`Change`]s of trimmed
//! objects; the object itself is dropped as soon as it has been read. It never ends and never
//! fails: errors are logged once, counted, and tried again. What the objects mean is the business
//! of whoever takes the changes; usually that is one task that keeps them in a [`Mirror`].

use std::{fmt, sync::Arc};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource,
    runtime::watcher::{self, watcher},
};
use serde::de::DeserializeOwned;

use follow::Follow;
pub use meter::Meter;
pub use mirror::{Mirror, Touched};

mod follow;
mod meter;
mod mirror;

/// An object's name; the namespace of a cluster-scoped object is empty.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// What happened to a kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change<T> {
    /// These are all objects there are: what is not among them is gone. Comes first, when the first
    /// list is complete, and again whenever the watch had lost its place.
    Reset(Vec<(ObjectName, T)>),
    /// The object is new or changed.
    Applied(ObjectName, T),
    /// The object is gone, or nothing of it is kept any more.
    Deleted(ObjectName),
}

/// What it means that the API server does not know the kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// That there are no objects of it; it is looked for again every few seconds. For kinds that a
    /// user may or may not have installed.
    Empty,
    /// That something is wrong: nothing is said until the kind is there.
    Wait,
}

/// A kind to watch, and what to keep of its objects.
#[derive(Debug)]
pub struct Watch<K, T> {
    kind: &'static str,
    api: Api<K>,
    config: watcher::Config,
    keep: fn(&K) -> Option<T>,
    missing: Missing,
    meter: Meter,
}

impl<K, T> Watch<K, T>
where
    K: Resource + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    T: Send + 'static,
{
    /// Watches all of `api`, and of each object what `keep` returns; nothing means that the object
    /// is of no interest.
    ///
    /// `kind` names the watch in logs and metrics.
    #[must_use]
    pub fn new(kind: &'static str, api: Api<K>, keep: fn(&K) -> Option<T>) -> Self {
        let config = watcher::Config::default().timeout(SILENCE_SECONDS);
        Self { kind, api, config, keep, missing: Missing::Wait, meter: Meter::default() }
    }

    /// Only objects that this label selector matches.
    #[must_use]
    pub fn labelled(mut self, selector: &str) -> Self {
        self.config = self.config.labels(selector);
        self
    }

    /// Only the object with this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.config = self.config.fields(&format!("metadata.name={name}"));
        self
    }

    /// What it means that the API server does not know the kind; [`Missing::Wait`] by default.
    #[must_use]
    pub const fn when_missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Counts what happens.
    #[must_use]
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.meter = meter.clone();
        self
    }

    /// The changes, without an end. Polling is what drives the watch: a consumer that is slow slows
    /// the watch down, and nothing is queued here.
    pub fn changes(self) -> impl Stream<Item = Change<T>> + Send {
        let Self { kind, api, config, keep, missing, meter } = self;
        let open = move || watcher(api.clone(), config.clone()).boxed();
        Follow::new(kind, Box::new(open), keep, missing, meter).changes()
    }
}

impl ObjectName {
    /// The object `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The name of `object`.
    #[must_use]
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        let part = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        Self { namespace: part(&meta.namespace), name: part(&meta.name) }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The API server ends a watch after so long, and a connection that has been silent for a little
/// longer counts as dead: how long a connection that vanished without a word can go unnoticed.
const SILENCE_SECONDS: u32 = 120;

#[cfg(test)]
mod tests;
