//! Readiness as tokens: each part of a process takes one and gives it back when it is ready.
//!
//! What is still pending can be listed, which is the first thing a person on call wants to know.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What the process still waits for before it is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<u64, &'static str>>>);

/// One thing that is not ready yet. Dropping it says that it is.
#[derive(Debug)]
#[must_use = "dropping it says that the part is ready"]
pub struct Pending {
    all: Readiness,
    id: u64,
}

impl Readiness {
    /// Nothing is pending: ready at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the process wait for `what`.
    pub fn token(&self, what: &'static str) -> Pending {
        let mut pending = self.lock();
        let id = pending.last_key_value().map_or(0, |(id, _)| id + 1);
        pending.insert(id, what);
        Pending { all: self.clone(), id }
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().is_empty()
    }

    /// What is pending, in the order in which it was asked for.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        self.lock().values().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, &'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Says that the part is ready.
    pub fn ready(self) {}
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_each_part_is() {
        let readiness = Readiness::new();
        let (trust, leaf) = (readiness.token("trust"), readiness.token("leaf"));
        assert_eq!(readiness.pending(), ["trust", "leaf"]);
        trust.ready();
        assert!(!readiness.is_ready());
        drop(leaf);
        assert!(readiness.is_ready());
    }
}
