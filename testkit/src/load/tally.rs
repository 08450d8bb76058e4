//! The counts, shared between the lanes that add to them and those who read them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    histogram::Histogram,
    outcome::Outcome,
    stats::{Failure, Second, Stats, VersionCount},
};
use crate::clock;

/// Failures remembered one by one.
const REMEMBERED: usize = 20;
/// Versions and statuses counted one by one; what comes later is counted as `other`.
const DISTINCT: usize = 64;
/// Characters of an error that are kept.
const DETAIL: usize = 200;

/// The counts of one run. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    stats: Stats,
    failures: VecDeque<Failure>,
    latency: Histogram,
    second: Second,
    second_latency: Histogram,
}

impl Default for Tally {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Counts::since(clock::unix_millis()))))
    }
}

impl Tally {
    pub(super) fn record(&self, outcome: Outcome, took: Duration) {
        self.with(|counts| counts.record(outcome, took, clock::unix_millis()));
    }

    pub(super) fn connected(&self) {
        self.with(|counts| counts.stats.connections += 1);
    }

    pub(super) fn reset(&self) {
        self.with(|counts| *counts = Counts::since(clock::unix_millis()));
    }

    pub(super) fn stats(&self) -> Stats {
        self.with(|counts| counts.stats(clock::unix_millis()))
    }

    /// What was counted since the last call.
    pub(super) fn take_second(&self) -> Second {
        self.with(|counts| {
            let latency = std::mem::take(&mut counts.second_latency).latency();
            let second = std::mem::take(&mut counts.second);
            Second { unix_ms: clock::unix_millis(), latency, ..second }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counts {
    fn since(unix_ms: u64) -> Self {
        let stats = Stats { since_unix_ms: unix_ms, ..Stats::default() };
        Self { stats, ..Self::default() }
    }

    fn stats(&self, unix_ms: u64) -> Stats {
        Stats {
            now_unix_ms: unix_ms,
            failures: self.failures.iter().cloned().collect(),
            latency: self.latency.latency(),
            ..self.stats.clone()
        }
    }

    fn record(&mut self, outcome: Outcome, took: Duration, unix_ms: u64) {
        let Outcome { status, version, failure, messages, moves } = outcome;
        let version = version.unwrap_or_else(|| "none".to_owned());
        self.stats.total += 1;
        self.stats.messages += u64::from(messages);
        self.stats.moves += u64::from(moves);
        if let Some(status) = status {
            *counter(&mut self.stats.by_status, status) += 1;
        }
        counter(&mut self.stats.by_version, version.clone()).see(unix_ms, failure.is_some());
        *counter(&mut self.second.by_version, version.clone()) += 1;
        let Some((kind, mut detail)) = failure else {
            self.stats.ok += 1;
            self.second.ok += 1;
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.latency.record(micros);
            self.second_latency.record(micros);
            return;
        };
        self.stats.failed += 1;
        self.second.failed += 1;
        *counter(&mut self.stats.by_failure, kind.label().to_owned()) += 1;
        self.stats.first_failure_unix_ms.get_or_insert(unix_ms);
        self.stats.last_failure_unix_ms = Some(unix_ms);
        if let Some((end, _)) = detail.char_indices().nth(DETAIL) {
            detail.truncate(end);
        }
        if self.failures.len() == REMEMBERED {
            self.failures.pop_front();
        }
        self.failures.push_back(Failure {
            unix_ms,
            kind: kind.label().to_owned(),
            detail,
            version,
        });
    }
}

impl VersionCount {
    fn see(&mut self, unix_ms: u64, failed: bool) {
        if self.total == 0 {
            self.first_unix_ms = unix_ms;
        }
        self.total += 1;
        self.last_unix_ms = unix_ms;
        if failed {
            self.failed += 1;
            self.first_failure_unix_ms.get_or_insert(unix_ms);
            self.last_failure_unix_ms = Some(unix_ms);
        }
    }
}

fn counter<T: Default>(counters: &mut BTreeMap<String, T>, name: String) -> &mut T {
    let full = counters.len() >= DISTINCT && !counters.contains_key(&name);
    let name = if full { "other".to_owned() } else { name };
    counters.entry(name).or_default()
}

#[cfg(test)]
mod tests;
