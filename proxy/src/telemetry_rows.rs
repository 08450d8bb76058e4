//! How the revisions of a rollout fare, as this proxy's application sees them: one row per rollout
//! and revision.
//!
//! Counts only rise, from the process' start on. The data plane writes through handles it looks up
//! once; whoever talks to the control plane reads all rows at once. What counts as a failure is
//! decided on the request path.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{decision::RolloutId, moment::Moment, revision::Revision};
use runtime::clock::Clock;

/// All rows of this proxy.
#[derive(Clone, Debug)]
pub struct Rows {
    clock: Clock,
    rows: Arc<RwLock<BTreeMap<Id, Arc<Row>>>>,
}

/// Whose row it is; no revision means any that is not the canary.
type Id = (RolloutId, Option<Revision>);

/// One row, shared by all workers: a rollout sees few requests compared with what an atomic add
/// costs.
#[derive(Debug)]
pub struct Row {
    clock: Clock,
    attempts: AtomicU64,
    failures: AtomicU64,
    /// Unix milliseconds.
    first_failure: AtomicU64,
}

/// What a row says at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// The rollout.
    pub rollout: RolloutId,
    /// The canary's revision; nothing for all others.
    pub revision: Option<Revision>,
    /// Attempts that ended.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// When the first of them failed.
    pub first_failure: Option<Moment>,
}

impl Rows {
    /// No rows yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, rows: Arc::default() }
    }

    /// The row of a revision, made if need be. Bounded by what the control plane names: one row for
    /// each revision that was ever on trial while this process lives, and one for the rest.
    #[must_use]
    pub fn row(&self, rollout: &RolloutId, revision: Option<&Revision>) -> Arc<Row> {
        let id = (rollout.clone(), revision.cloned());
        if let Some(row) = self.rows.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Arc::clone(row);
        }
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rows.entry(id).or_insert_with(|| Arc::new(Row::new(self.clock.clone()))))
    }

    /// Counts one attempt.
    pub fn record(&self, rollout: &RolloutId, revision: Option<&Revision>, ok: bool) {
        self.row(rollout, revision).record(ok);
    }

    /// All rows as they stand.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Reading> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.iter().map(|((rollout, revision), row)| row.read(rollout, revision.as_ref())).collect()
    }
}

impl Row {
    const fn new(clock: Clock) -> Self {
        let (attempts, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { clock, attempts, failures, first_failure: AtomicU64::new(NEVER) }
    }

    /// Counts one attempt.
    pub fn record(&self, ok: bool) {
        if !ok {
            self.note_first_failure();
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        // Last, and released: a reader that sees the attempt sees its failure too, so that no
        // reading ever has a better ratio than the truth.
        self.attempts.fetch_add(1, Ordering::Release);
    }

    fn note_first_failure(&self) {
        if self.first_failure.load(Ordering::Relaxed) == NEVER {
            self.first_failure.fetch_min(self.clock.unix_millis(), Ordering::Relaxed);
        }
    }

    fn read(&self, rollout: &RolloutId, revision: Option<&Revision>) -> Reading {
        let attempts = self.attempts.load(Ordering::Acquire);
        let failures = self.failures.load(Ordering::Relaxed).min(attempts);
        let first_failure = match self.first_failure.load(Ordering::Relaxed) {
            NEVER => None,
            millis => Some(Moment::from_millis(millis)),
        };
        let (rollout, revision) = (rollout.clone(), revision.cloned());
        Reading { rollout, revision, attempts, failures, first_failure }
    }
}

const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests;
