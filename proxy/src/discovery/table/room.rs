//! Which keys are dropped: those that nobody used for minutes, and at the bound the ones used least
//! lately. Nothing is dropped while control is away, since it could not be had back.

use std::collections::BTreeSet;

use model::key::Key;
use wire::{limit, message::ToControl};

use super::{ALWAYS, Entry, Table, Used, endpoints_named_by};

impl Table {
    /// Lets one tick pass. `used_at` says in which tick a key was last read.
    pub(in super::super) fn tick(&mut self, now: u64, used_at: impl Fn(&Key) -> Option<u64>) {
        self.now = now;
        for (key, entry) in &mut self.entries {
            entry.asked_at = entry.asked_at.max(used_at(key).unwrap_or(0));
        }
        if self.connected {
            self.ask_again();
            let idle = |entry: &Entry| now.saturating_sub(entry.asked_at) > IDLE;
            let idle = self.droppable().filter(|key| self.entries.get(*key).is_some_and(idle));
            let idle = idle.cloned().collect();
            self.drop_keys(idle);
        }
    }

    /// Makes sure that one more key may be subscribed to; says whether it may.
    pub(super) fn make_room(&mut self) -> bool {
        if self.entries.len() < limit::KEYS {
            return true;
        }
        if !self.connected {
            return false;
        }
        let used_at = |key: &Key| self.entries.get(key).map_or(0, |entry| entry.asked_at);
        let mut oldest: Vec<_> = self.droppable().cloned().collect();
        oldest.sort_by_key(used_at);
        oldest.truncate(AT_ONCE);
        self.drop_keys(oldest);
        self.entries.len() < limit::KEYS
    }

    /// Keys that nothing needs: not those every proxy has, not endpoints of a service that is held,
    /// and not what someone waits for.
    fn droppable(&self) -> impl Iterator<Item = &Key> {
        let needed: BTreeSet<_> = self.entries.values().flat_map(needed_by).collect();
        let free = move |(key, entry): &(&Key, &Entry)| {
            let is_awaited = entry.waiting.iter().any(|waiting| !waiting.is_closed());
            !is_awaited && !needed.contains(*key) && !ALWAYS.contains(key)
        };
        self.entries.iter().filter(free).map(|(key, _)| key)
    }

    fn drop_keys(&mut self, keys: Vec<Key>) {
        if keys.is_empty() {
            return;
        }
        for key in &keys {
            if let Some(entry) = self.entries.remove(key) {
                self.over.note(entry.rollouts());
            }
            self.effects.publish.push((key.clone(), None));
        }
        self.effects.send.push(ToControl::Unsubscribe(keys));
    }

    /// Asks for what was refused because it went back: by now control may know better.
    fn ask_again(&mut self) {
        let refused = self.entries.iter().filter(|(_, entry)| entry.refused);
        let held: Vec<_> = refused.map(|(key, entry)| entry.held(key)).collect();
        if !held.is_empty() {
            self.effects.send.push(ToControl::Subscribe(held));
        }
    }
}

fn needed_by(entry: &Entry) -> Vec<Key> {
    let mut needed = entry.staged_endpoints();
    if let Some(Used::Found { resource, .. }) = &entry.used {
        needed.extend(endpoints_named_by(resource));
    }
    needed
}

/// Ticks without use after which a key is dropped: five minutes.
const IDLE: u64 = 30;
/// How many keys make room together at the bound, so that not every new key looks through all of
/// them.
const AT_ONCE: usize = 64;
