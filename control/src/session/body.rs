//! Encoded resources, shared between all sessions: what goes to a thousand proxies is encoded once.
//!
//! An unchanged resource is the same `Arc` from view to view, so the pointer is the key; each entry
//! keeps its resource alive, so that no pointer is ever taken for another.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use model::{decision::RolloutId, resource::Resource, trust::Fingerprint};
use prometheus_client::metrics::counter::Counter;
use tracing::error;
use wire::Encoded;

/// A resource ready to be sent.
#[derive(Debug)]
pub struct Body {
    /// The bytes and their version.
    pub encoded: Encoded,
    /// The decision in it about each rollout.
    pub rollouts: BTreeMap<RolloutId, u64>,
    /// Of a trust bundle: what it is recognised by.
    pub trust: Option<Fingerprint>,
}

/// The bodies made lately.
pub struct Bodies {
    generations: Mutex<Generations>,
    encoded: Counter,
    most: Most,
}

/// How much is kept in each of the two halves.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Bodies.
    pub bodies: usize,
    /// Their bytes; what they are made of takes a few times as much.
    pub bytes: usize,
}

/// Entries are used from the younger half; when it is full the older half goes.
#[derive(Default)]
struct Generations {
    young: HashMap<usize, Entry>,
    old: HashMap<usize, Entry>,
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    resource: Resource,
    body: Arc<OnceLock<Option<Arc<Body>>>>,
}

impl Bodies {
    /// No bodies yet; `encoded` counts how many are made.
    #[must_use]
    pub fn new(most: Most, encoded: Counter) -> Self {
        Self { generations: Mutex::default(), encoded, most }
    }

    /// The body of `resource`; nothing if it cannot be sent at all, which is logged.
    #[must_use]
    pub fn of(&self, resource: &Resource) -> Option<Arc<Body>> {
        let Some(pointer) = pointer(resource) else { return self.encode(resource) };
        let entry = self.entry(pointer, resource);
        let make = || {
            let body = self.encode(&entry.resource);
            self.lock().bytes += size(body.as_ref());
            body
        };
        entry.body.get_or_init(make).clone()
    }

    /// The lock is held for a look-up only; whoever comes first encodes outside it, and others wait
    /// for that.
    fn entry(&self, pointer: usize, resource: &Resource) -> Entry {
        let mut generations = self.lock();
        if let Some(entry) = generations.young.get(&pointer) {
            return entry.clone();
        }
        let fresh = || Entry { resource: resource.clone(), body: Arc::default() };
        let entry = generations.old.remove(&pointer).unwrap_or_else(fresh);
        if generations.young.len() >= self.most.bodies || generations.bytes >= self.most.bytes {
            generations.old = std::mem::take(&mut generations.young);
            generations.bytes = 0;
        }
        generations.bytes += size(entry.body.get().and_then(Option::as_ref));
        generations.young.insert(pointer, entry.clone());
        entry
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode(&self, resource: &Resource) -> Option<Arc<Body>> {
        self.encoded.inc();
        match Encoded::new(resource) {
            Ok(encoded) => {
                let (rollouts, trust) = (resource.rollouts(), fingerprint(resource));
                Some(Arc::new(Body { encoded, rollouts, trust }))
            }
            Err(invalid) => {
                error!(%invalid, "a resource cannot be sent to anyone");
                None
            }
        }
    }
}

fn size(body: Option<&Arc<Body>>) -> usize {
    body.map_or(0, |body| body.encoded.size())
}

fn fingerprint(resource: &Resource) -> Option<Fingerprint> {
    if let Resource::Trust(trust) = resource { Some(trust.fingerprint()) } else { None }
}

/// Whether nothing can have changed: the same `Arc`, or equal where there is none.
#[must_use]
pub fn same(one: &Resource, other: &Resource) -> bool {
    match (one, other) {
        (Resource::Destination(one), Resource::Destination(other)) => one == other,
        _ => pointer(one).is_some() && pointer(one) == pointer(other),
    }
}

/// Where the content is; nothing for what is kept by value.
fn pointer(resource: &Resource) -> Option<usize> {
    Some(match resource {
        Resource::Destination(_) => return None,
        Resource::Service(it) => Arc::as_ptr(it).addr(),
        Resource::Endpoints(it) => Arc::as_ptr(it).addr(),
        Resource::Workload(it) => Arc::as_ptr(it).addr(),
        Resource::Inbound(it) => Arc::as_ptr(it).addr(),
        Resource::Trust(it) => Arc::as_ptr(it).addr(),
        Resource::Mesh(it) => Arc::as_ptr(it).addr(),
    })
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Default for Most {
    fn default() -> Self {
        Self { bodies: 16_384, bytes: 16 * 1024 * 1024 }
    }
}

#[cfg(test)]
mod tests;
