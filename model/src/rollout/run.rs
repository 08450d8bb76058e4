//! One release under way, and what is remembered of one that ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{meter::Meter, reason::Reason};
use crate::{moment::Moment, revision::Revision, rows::Counts};

/// A release under way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The revision on trial.
    pub canary: Revision,
    /// When it was first seen.
    pub started: Moment,
    /// Crashes that its pods had before.
    pub crashes_before: u32,
    /// Whether one of its pods was ever ready.
    pub was_healthy: bool,
    /// Since when none is, after one was.
    pub unhealthy_since: Option<Moment>,
    /// Since when no reports arrive.
    pub blind_since: Option<Moment>,
    /// Since when a person, or a service that is shared, keeps it where it is.
    pub paused_since: Option<Moment>,
    /// For how long it was kept so before: that does not count against its deadline.
    pub excused: Duration,
    /// The most of its pods that have served at once since its gates are opened.
    #[serde(default)]
    pub served: u32,
    /// Since when there have been no more of them, once its gates are opened.
    #[serde(default)]
    pub served_since: Option<Moment>,
    /// What its callers counted.
    pub meter: Meter,
}

/// How far the steps are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The step, counted from 0.
    pub step: u32,
    /// When it began.
    pub since: Moment,
    /// When the proxies were first seen to hold it.
    pub reached: Option<Moment>,
}

/// How far a promotion is. Each stage holds what those before it do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// The canary's pods join the others; proxies are to acknowledge it.
    Joining,
    /// Its revision is trusted; that is to be written down.
    Trusting,
    /// Its gates are opened. There is no way back that costs nothing.
    Opening,
}

/// A release that was withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// The revision.
    pub revision: Revision,
    /// Why.
    pub reason: Reason,
    /// When the first request on it failed, if one did: as the proxy that saw it says, or else when
    /// it was counted.
    pub first_bad_at: Option<Moment>,
    /// When it was withdrawn.
    pub at: Moment,
    /// When all live proxies had acknowledged that it gets nothing.
    pub zero_at: Option<Moment>,
}

/// A release that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The revision.
    pub revision: Revision,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started: Moment,
    /// When it ended.
    pub ended: Moment,
    /// What its callers counted in all.
    pub counted: Counts,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It serves alone.
    Completed,
    /// It was withdrawn.
    Withdrawn(Reason),
    /// It failed while it replaced the others.
    Halted(Reason),
    /// A trusted revision was wanted again before it ended.
    Reverted,
    /// Another revision was wanted before it ended.
    Superseded,
    /// The workload went away, or could not have a rollout any more.
    Lost,
}

impl Outcome {
    /// Its name in status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Withdrawn(Reason::Aborted) => "Aborted",
            Self::Withdrawn(_) => "Failed",
            Self::Halted(_) => "Halted",
            Self::Reverted => "Reverted",
            Self::Superseded => "Superseded",
            Self::Lost => "Lost",
        }
    }
}
