//! What the table holds, for people.

use std::time::Duration;

use model::key::{Key, Version};

use super::{super::Answer, Entry, TICK, Table, Used};

/// A subscription as it is shown to people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The key.
    pub key: Key,
    /// The version in use; nothing if control said that there is nothing, or said nothing yet, or
    /// if what it said is held back.
    pub version: Option<Version>,
    /// The decision that is in use; 0 if what is used has none.
    pub decision: u64,
    /// A newer version that waits for endpoints.
    pub staged: Option<Version>,
    /// The endpoints that it waits for.
    pub waits_for: Vec<Key>,
    /// Why the last push was not used, if none was since.
    pub objection: Option<String>,
    /// What control answered; nothing if it has not yet.
    pub answer: Option<Answer>,
    /// For how long that has been so, to within ten seconds.
    pub age: Duration,
}

impl Table {
    /// Every subscription, for people.
    pub(in crate::discovery) fn lines(&self) -> Vec<Line> {
        let is_held = |key: &Key| self.entries.get(key).is_some_and(|entry| entry.used.is_some());
        self.entries.iter().map(|(key, entry)| entry.line(key, self.now, is_held)).collect()
    }
}

impl Entry {
    fn line(&self, key: &Key, now: u64, is_held: impl Fn(&Key) -> bool) -> Line {
        let staged = self.staged.as_ref().and_then(|staged| staged.version);
        let ticks = u32::try_from(now.saturating_sub(self.since)).unwrap_or(u32::MAX);
        let age = TICK.saturating_mul(ticks);
        let mut waits_for = self.staged_endpoints();
        waits_for.retain(|endpoints| !is_held(endpoints));
        let decision = match &self.used {
            Some(Used::Found { resource, .. }) => resource.decision(),
            Some(Used::Absent) | None => 0,
        };
        let (key, version, answer) = (key.clone(), self.version(), self.answer());
        let objection = self.objection.clone();
        Line { key, version, decision, staged, waits_for, objection, answer, age }
    }
}
