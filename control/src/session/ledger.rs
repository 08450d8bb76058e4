//! What one proxy is subscribed to, what it should hold, was told and uses; and so what is to be
//! sent next.
//!
//! Pure: the session brings what keys resolve to and what the proxy says. A key has at most one
//! message waiting, and that is always the newest: what a slow proxy missed in between is never
//! sent.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use model::{
    decision::RolloutId,
    key::{Key, Version},
    resource::Resource,
    trust::Fingerprint,
};
use wire::{
    Encoded, limit,
    message::{Ack, FromControl, Held, HeldDecision, Nack, Push},
};

use super::body::{self, Bodies, Body};

/// The books of one session.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    waiting: VecDeque<Key>,
}

#[derive(Debug)]
struct Entry {
    /// What the key resolved to last, to see at a glance that nothing changed.
    resolved: Option<Resource>,
    wanted: Option<Arc<Body>>,
    told: Told,
    used: Option<Used>,
    /// No push may hold a lower decision than this.
    floor: Floor,
    waiting: bool,
}

/// The last thing the proxy knows of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    Absent,
    Version(Version),
}

/// What the proxy says it uses.
#[derive(Debug)]
struct Used {
    version: Version,
    floor: Floor,
    /// Of a trust bundle that was acked here.
    trust: Option<Fingerprint>,
}

#[derive(Clone, Debug, Default)]
struct Floor {
    decision: u64,
    rollouts: BTreeMap<RolloutId, u64>,
}

/// What a new content of a key leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offer {
    /// The proxy knows it already, or is about to.
    Known,
    /// It waits to be sent.
    Queued,
    /// It would go back on a decision that the proxy holds: this replica is behind, and waits.
    Behind,
}

/// What the operator is told of the books.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Keys subscribed to.
    pub subscribed: u32,
    /// Keys whose newest content is in use, or known to be absent.
    pub acked: u32,
    /// Some of the others.
    pub stale: Vec<Key>,
    /// The trust bundle in use.
    pub trust: Option<Fingerprint>,
    /// For each rollout in what is subscribed to: the lowest decision in use.
    pub decisions: Vec<HeldDecision>,
}

impl Ledger {
    /// Opens a book for a key, or opens it anew. Refused when there are too many.
    pub fn subscribe(&mut self, held: Held) -> bool {
        let Held { key, version, decision, rollouts } = held;
        if self.entries.len() >= limit::KEYS && !self.entries.contains_key(&key) {
            return false;
        }
        let rollouts: BTreeMap<_, _> =
            rollouts.into_iter().map(|held| (held.rollout, held.acked)).collect();
        let waiting = self.entries.get(&key).is_some_and(|entry| entry.waiting);
        let floor = Floor { decision, rollouts };
        let entry = Entry {
            resolved: None,
            wanted: None,
            told: version.map_or(Told::Nothing, Told::Version),
            used: version.map(|version| Used { version, floor: floor.clone(), trust: None }),
            floor,
            waiting,
        };
        self.entries.insert(key, entry);
        true
    }

    /// Closes a book.
    pub fn unsubscribe(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// All keys subscribed to.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.entries.keys().cloned().collect()
    }

    /// What `key` resolves to now.
    pub fn offer(&mut self, key: &Key, resource: Option<Resource>, bodies: &Bodies) -> Offer {
        let Some(entry) = self.entries.get_mut(key) else { return Offer::Known };
        if let (Some(old), Some(new)) = (&entry.resolved, &resource)
            && body::same(old, new)
        {
            return Offer::Known;
        }
        let wanted = resource.as_ref().map(|resource| bodies.of(resource));
        entry.resolved = resource;
        match wanted {
            // What cannot be sent changes nothing: the proxy keeps what it has.
            Some(None) => return Offer::Known,
            Some(Some(body)) => entry.wanted = Some(body),
            None => entry.wanted = None,
        }
        if entry.wanted.as_ref().is_some_and(|body| entry.floor.is_above(body)) {
            return Offer::Behind;
        }
        if entry.told == entry.wish() {
            return Offer::Known;
        }
        if !entry.waiting {
            entry.waiting = true;
            let urgent = entry.is_urgent(key);
            if urgent {
                self.waiting.push_front(key.clone());
            } else {
                self.waiting.push_back(key.clone());
            }
        }
        Offer::Queued
    }

    /// Whether anything waits to be sent.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next message, if there is one; it counts as sent.
    pub fn pop(&mut self) -> Option<FromControl<Encoded>> {
        while let Some(key) = self.waiting.pop_front() {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.waiting = false;
            let wish = entry.wish();
            let behind = entry.wanted.as_ref().is_some_and(|body| entry.floor.is_above(body));
            if entry.told == wish || behind {
                continue;
            }
            entry.told = wish;
            return Some(match &entry.wanted {
                None => FromControl::Absent(key),
                Some(body) => {
                    entry.floor = Floor::of(body);
                    FromControl::Push(push(key, &body.encoded))
                }
            });
        }
        None
    }

    /// The proxy uses a version. One that was superseded meanwhile counts for nothing.
    pub fn ack(&mut self, Ack { key, version, decision: _ }: &Ack) {
        if let Some(entry) = self.entries.get_mut(key)
            && let Some(body) = &entry.wanted
            && body.encoded.version == *version
        {
            let (floor, trust) = (Floor::of(body), body.trust);
            entry.used = Some(Used { version: *version, floor, trust });
        }
    }

    /// The proxy cannot use a version: it keeps what it had, and is not sent the same again.
    pub fn nack(&mut self, Nack { key, version, reason: _ }: &Nack) {
        // What was refused is no floor: the next push may well be the one before it.
        if let Some(entry) = self.entries.get_mut(key)
            && entry.told == Told::Version(*version)
        {
            let used = entry.used.as_ref();
            entry.floor = used.map(|used| used.floor.clone()).unwrap_or_default();
        }
    }

    /// Whether any service subscribed to is under a rollout.
    #[must_use]
    pub fn is_under_rollout(&self) -> bool {
        let under =
            |entry: &Entry| entry.wanted.as_ref().is_some_and(|body| !body.rollouts.is_empty());
        self.entries.values().any(under)
    }

    /// What the operator is told.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut decisions: BTreeMap<&RolloutId, u64> = BTreeMap::new();
        for (key, entry) in &self.entries {
            summary.subscribed += 1;
            if entry.is_settled() {
                summary.acked += 1;
            } else if summary.stale.len() < limit::STALE_KEYS {
                summary.stale.push(key.clone());
            }
            let wanted = entry.wanted.iter().flat_map(|body| body.rollouts.keys());
            for rollout in wanted {
                let used = entry.decision_in_use(rollout);
                let lowest = decisions.entry(rollout).or_insert(used);
                *lowest = used.min(*lowest);
            }
        }
        summary.trust = self.entries.get(&Key::Trust).and_then(Entry::trust_in_use);
        let held =
            |(rollout, acked): (&RolloutId, u64)| HeldDecision { rollout: rollout.clone(), acked };
        summary.decisions = decisions.into_iter().map(held).collect();
        summary
    }
}

impl Entry {
    /// What the proxy should have been told.
    fn wish(&self) -> Told {
        self.wanted.as_ref().map_or(Told::Absent, |body| Told::Version(body.encoded.version))
    }

    fn is_settled(&self) -> bool {
        match &self.wanted {
            None => self.told == Told::Absent,
            Some(body) => {
                self.used.as_ref().is_some_and(|used| used.version == body.encoded.version)
            }
        }
    }

    /// Decisions and the proxy's own policy go before everything else that waits.
    fn is_urgent(&self, key: &Key) -> bool {
        match key {
            Key::Inbound | Key::Trust | Key::Mesh => true,
            Key::Service(_) => {
                self.wanted.as_ref().is_some_and(|body| body.rollouts != self.floor.rollouts)
            }
            Key::Address(_) | Key::Host(_) | Key::Endpoints(_) | Key::Workload(_) => false,
        }
    }

    fn decision_in_use(&self, rollout: &RolloutId) -> u64 {
        let rollouts = self.used.as_ref().map(|used| &used.floor.rollouts);
        rollouts.and_then(|rollouts| rollouts.get(rollout)).copied().unwrap_or(0)
    }

    fn trust_in_use(&self) -> Option<Fingerprint> {
        let used = self.used.as_ref()?;
        let newest = self.wanted.as_ref().filter(|body| body.encoded.version == used.version);
        newest.and_then(|body| body.trust).or(used.trust)
    }
}

impl Floor {
    fn of(body: &Body) -> Self {
        Self { decision: body.encoded.decision, rollouts: body.rollouts.clone() }
    }

    /// Whether following `body` would go back on a decision. Numbers of different rollouts are not
    /// compared; only a proxy that did not name its rollouts is judged by the one number it gave.
    fn is_above(&self, body: &Body) -> bool {
        if self.rollouts.is_empty() {
            let decision = body.encoded.decision;
            return decision != 0 && decision < self.decision;
        }
        let lower = |(rollout, number): (&RolloutId, &u64)| {
            self.rollouts.get(rollout).is_some_and(|held| number < held)
        };
        body.rollouts.iter().any(lower)
    }
}

fn push(key: Key, encoded: &Encoded) -> Push<Encoded> {
    let Encoded { version, decision, .. } = encoded;
    Push { key, version: *version, decision: *decision, body: encoded.clone() }
}

#[cfg(test)]
mod tests;
