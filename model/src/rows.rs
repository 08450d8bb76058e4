//! What the proxies counted for one rollout, merged so that no attempt is counted twice.
//!
//! A proxy's rows are cumulative over one life of its process, and the same row may arrive through
//! several control replicas, late, and out of order. Merging takes the greater number of each
//! counter, and totals grow by the difference only: they never go back, not even when a proxy dies
//! and its rows are forgotten. The caller keeps one [`Rows`] per rollout and judges by differences
//! of totals.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{moment::Moment, revision::Revision};

/// One life of one proxy.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Life {
    /// The pod's UID.
    pub proxy: Arc<str>,
    /// Tells two lives of one pod's proxy apart: another process counts from zero again.
    pub epoch: u64,
}

/// Which pods the attempts went to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// Pods of any revision that was not on trial.
    Base,
    /// Pods of this revision while it was on trial.
    Revision(Revision),
}

/// What was counted at the client side. Every field only grows, except the first failure, which
/// only becomes known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Attempts that ended, retries and failed connects included.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// When the first of these failed, by the clock of the proxy that saw it.
    pub first_failure: Option<Moment>,
}

/// Totals per target.
pub type Totals = BTreeMap<Target, Counts>;

/// The rows of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    lives: BTreeMap<Life, Reported>,
    /// Lives that ended, in the order in which they are forgotten. Until then their rows are kept,
    /// so that one that arrives late is not taken for a new one.
    ended: VecDeque<Life>,
    totals: Totals,
    refused: u64,
}

/// What one life has reported.
#[derive(Clone, Debug, Default)]
struct Reported {
    rows: BTreeMap<Target, Counts>,
    ended: bool,
}

/// Why a row was not merged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// [`Rows::LIVES`] proxies are counted already and all of them are alive.
    #[error("no room for the rows of another proxy")]
    TooManyLives,
    /// The proxy reports on more than [`Rows::TARGETS`] revisions.
    #[error("no room for another revision of this proxy")]
    TooManyTargets,
}

impl Counts {
    /// What was counted after `mark`, a former value of the same counters. Nothing, where the
    /// counters went back, which happens if whoever counted started again.
    #[must_use]
    pub fn since(&self, mark: &Self) -> Self {
        let failures = self.failures.saturating_sub(mark.failures);
        Self {
            attempts: self.attempts.saturating_sub(mark.attempts),
            failures,
            first_failure: self.first_failure.filter(|_| failures > 0),
        }
    }

    /// The greater of each counter, the earlier first failure.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            attempts: self.attempts.max(other.attempts),
            failures: self.failures.max(other.failures),
            first_failure: earlier(self.first_failure, other.first_failure),
        }
    }

    /// The part of attempts that failed; nothing failed if nothing was attempted.
    #[must_use]
    pub fn failure_ratio(&self) -> f64 {
        match self.attempts {
            0 => 0.0,
            attempts => exact(self.failures) / exact(attempts),
        }
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.attempts = self.attempts.saturating_add(more.attempts);
        self.failures = self.failures.saturating_add(more.failures);
        self.first_failure = earlier(self.first_failure, more.first_failure);
    }
}

impl Rows {
    /// How many lives are remembered at most, ended ones included.
    pub const LIVES: usize = 16_384;
    /// How many targets one life may report on: a proxy tells of every release that it has seen, as
    /// long as it lives. A release beyond them gets no verdict, and stays where it is.
    pub const TARGETS: usize = 512;

    /// Merges what one proxy has counted for one target since its process started.
    ///
    /// # Errors
    /// If there is no room; totals then lack this row, and [`Rows::refused`] counts it.
    pub fn merge(&mut self, life: &Life, target: &Target, counted: Counts) -> Result<(), Refused> {
        self.make_room(life).inspect_err(|_| self.refused += 1)?;
        let rows = &mut self.lives.entry(life.clone()).or_default().rows;
        if rows.len() >= Self::TARGETS && !rows.contains_key(target) {
            self.refused += 1;
            return Err(Refused::TooManyTargets);
        }
        let row = rows.entry(target.clone()).or_default();
        let merged = row.max(&counted);
        let grown = Counts { first_failure: merged.first_failure, ..merged.since(row) };
        *row = merged;
        self.totals.entry(target.clone()).or_default().add(&grown);
        Ok(())
    }

    /// Says that a proxy is gone, with all its lives. Totals stay.
    pub fn end(&mut self, proxy: &str) {
        let first = Life { proxy: proxy.into(), epoch: 0 };
        let last = Life { proxy: proxy.into(), epoch: u64::MAX };
        for (life, reported) in self.lives.range_mut(first..=last) {
            if !mem::replace(&mut reported.ended, true) {
                self.ended.push_back(life.clone());
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Rows that found no room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Drops all targets for which `keep` is false: revisions that are gone. A target that comes
    /// back counts from what its proxies then report, which may include what they counted before;
    /// judge by differences.
    pub fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.totals.retain(|target, _| keep(target));
        for reported in self.lives.values_mut() {
            reported.rows.retain(|target, _| keep(target));
        }
        self.lives.retain(|_, reported| !reported.rows.is_empty());
        let lives = &self.lives;
        self.ended.retain(|life| lives.contains_key(life));
    }

    fn make_room(&mut self, life: &Life) -> Result<(), Refused> {
        if self.lives.contains_key(life) {
            return Ok(());
        }
        self.end_before(life);
        if self.lives.len() < Self::LIVES {
            return Ok(());
        }
        let oldest = self.ended.pop_front().ok_or(Refused::TooManyLives)?;
        self.lives.remove(&oldest);
        Ok(())
    }

    /// Ends the lives of the same proxy before this one: a process that restarted reports no more.
    fn end_before(&mut self, life: &Life) {
        let first = Life { proxy: Arc::clone(&life.proxy), epoch: 0 };
        let earlier = self.lives.range_mut(first..life.clone()).rev();
        for (earlier, reported) in earlier.take_while(|(_, reported)| !reported.ended) {
            reported.ended = true;
            self.ended.push_back(earlier.clone());
        }
    }
}

fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// As a float, exact up to 2^53 and saturating far above anything that can be counted.
pub(crate) fn exact(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests;
