//! What a release's callers counted, cut into the segments that the verdict needs.

use serde::{Deserialize, Serialize};

use crate::{moment::Moment, rows::Counts};

/// The counts of a release and the marks they are measured from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// Whether the canary ever had a weight. Until then the marks follow the counts: whatever was counted before
    /// belongs to another release of the same revision.
    pub open: bool,
    /// The totals as last seen; they never go back, though those of an operator that starts again do.
    pub counted: Pair,
    /// The totals when the canary first had a weight.
    pub run_mark: Pair,
    /// The totals when the step was reached.
    pub step_mark: Pair,
    /// The totals when the segment began.
    pub segment_mark: Pair,
    /// The segment under way, counted from 1.
    pub segment: u32,
    /// When it began.
    pub segment_since: Moment,
    /// When the first failure was counted, if the proxies' own clocks are no help.
    pub first_failure: Option<Moment>,
}

/// What went to the canary and what to everybody else.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The canary's.
    pub canary: Counts,
    /// Everybody else's.
    pub base: Counts,
}
