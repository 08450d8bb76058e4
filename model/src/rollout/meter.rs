//! What a release's callers counted, cut into the segments that the verdict needs.
//!
//! A segment begins with every change of weight, because the comparison knows one share per
//! segment, and after [`SEGMENT_ATTEMPTS`] attempts or more in [`SEGMENT_TIME`] or more, so that a
//! long good time does not outweigh a bad minute. Quiet services get long segments.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    moment::Moment,
    revision::Revision,
    rows::{self, Counts, Totals},
    verdict::Sample,
    weight::Weight,
};

/// How many attempts on the canary a segment has at least, if no change of weight ends it.
pub const SEGMENT_ATTEMPTS: u64 = 500;

/// How long a segment lasts at least, if no change of weight ends it.
pub const SEGMENT_TIME: Duration = Duration::from_secs(60);

/// The counts of a release and the marks they are measured from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// Whether the canary ever had a weight. Until then the marks follow the counts: whatever was
    /// counted before belongs to another release of the same revision.
    pub open: bool,
    /// The totals as last seen; they never go back, though those of an operator that starts again
    /// do.
    pub counted: Pair,
    /// The totals when the canary first had a weight.
    pub run_mark: Pair,
    /// The totals when the step was reached.
    pub step_mark: Pair,
    /// The totals when the segment began.
    pub segment_mark: Pair,
    /// The segment under way, counted from 1; 0 before the first.
    pub segment: u32,
    /// When it began.
    pub segment_since: Moment,
    /// When a failure was first counted.
    pub failure_counted: Option<Moment>,
}

/// What went to the canary and what to everybody else.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The canary's.
    pub canary: Counts,
    /// Everybody else's.
    pub base: Counts,
}

impl Pair {
    fn of(totals: &Totals, canary: &Revision) -> Self {
        let of = |target: rows::Target| totals.get(&target).copied().unwrap_or_default();
        Self { canary: of(rows::Target::Revision(canary.clone())), base: of(rows::Target::Base) }
    }

    fn max(&self, other: &Self) -> Self {
        Self { canary: self.canary.max(&other.canary), base: self.base.max(&other.base) }
    }

    fn add(&mut self, more: &Self) {
        self.canary.add(&more.canary);
        self.base.add(&more.base);
    }

    fn since(&self, mark: &Self) -> Self {
        Self { canary: self.canary.since(&mark.canary), base: self.base.since(&mark.base) }
    }
}

impl Meter {
    /// Takes in totals. What they grew by counts if the canary is `live`: it has a weight, and a
    /// pod that is ready. Otherwise it tells of pods and proxies that are not there (a proxy that
    /// finds no endpoint counts a failure), which is judged by other means.
    pub(super) fn count(&mut self, now: Moment, totals: &Totals, canary: &Revision, live: bool) {
        let seen = Pair::of(totals, canary);
        if !self.open {
            let marks = Self { run_mark: seen, step_mark: seen, ..Self::default() };
            *self = Self { open: live, counted: seen, ..marks };
            self.cut(now);
            return;
        }
        let former = self.counted;
        self.counted = former.max(&seen);
        if !live {
            let grown = self.counted.since(&former);
            for mark in [&mut self.run_mark, &mut self.step_mark, &mut self.segment_mark] {
                mark.add(&grown);
            }
            return;
        }
        if self.in_run().canary.failures > 0 {
            self.failure_counted.get_or_insert(now);
        }
        let long = now.since(self.segment_since) >= SEGMENT_TIME;
        if long && self.in_segment().canary.attempts >= SEGMENT_ATTEMPTS {
            self.cut(now);
        }
    }

    /// Begins a segment because the decision changed. If it is the first that gives the canary a
    /// weight, what was counted until now is what everything is measured from.
    pub(super) fn turn(&mut self, now: Moment, weighted: bool) {
        self.open |= weighted && self.segment > 0;
        self.cut(now);
    }

    fn cut(&mut self, now: Moment) {
        self.segment = self.segment.saturating_add(1);
        self.segment_since = now;
        self.segment_mark = self.counted;
    }

    /// Begins a step.
    pub(super) const fn mark_step(&mut self) {
        self.step_mark = self.counted;
    }

    /// What was counted since the release first had traffic.
    #[must_use]
    pub fn in_run(&self) -> Pair {
        self.counted.since(&self.run_mark)
    }

    /// What was counted since the step was reached.
    #[must_use]
    pub fn in_step(&self) -> Pair {
        self.counted.since(&self.step_mark)
    }

    /// What was counted in the segment under way.
    #[must_use]
    pub fn in_segment(&self) -> Pair {
        self.counted.since(&self.segment_mark)
    }

    /// What is judged, if the canary has had `share` throughout the segment.
    #[must_use]
    pub fn sample(&self, share: Weight) -> Sample {
        let Pair { canary, base } = self.in_segment();
        let failed = self.in_run().canary.failures;
        Sample { canary, base, share, segment: self.segment, failed }
    }

    /// When the first request of a release that lasted from `started` to `ended` failed: as the
    /// proxy that saw it says, if that can be true, or else when it was counted.
    #[must_use]
    pub fn first_failure(&self, started: Moment, ended: Moment) -> Option<Moment> {
        let told = self.counted.canary.first_failure;
        told.filter(|told| (started..=ended).contains(told)).or(self.failure_counted)
    }
}

#[cfg(test)]
mod tests;
