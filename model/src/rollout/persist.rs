//! A rollout as it is written down, so that another process can go on with it.

use serde::{Deserialize, Serialize};

use super::{Cause, Progress, Reason, Release, Rollback, Run, Stage, Trust};
use crate::{moment::Moment, revision::Revision, weight::Weight};

/// A rollout's state in plain fields: `status.record`. Everything that a takeover needs is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Persisted {
    /// The name of the phase.
    pub phase: PhaseName,
    /// The revisions that are trusted, and whose they are.
    pub trust: Trust,
    /// The revision that was last found good.
    pub stable: Option<Revision>,
    /// The number of the last decision.
    pub decision: u64,
    /// The revision it is about; none if nothing is divided.
    pub split: Option<Revision>,
    /// Its weight.
    pub weight: Weight,
    /// Whether its pods join the others instead of having a weight.
    pub joined: bool,
    /// What it gets at most, as every live proxy acknowledged it.
    pub observed: Weight,
    /// The release under way.
    pub run: Option<Run>,
    /// How far its steps are.
    pub progress: Option<Progress>,
    /// How far its promotion is.
    pub stage: Option<Stage>,
    /// Why it is let in.
    pub cause: Option<Cause>,
    /// Why it was withdrawn.
    pub reason: Option<Reason>,
    /// The last release that was withdrawn.
    pub rollback: Option<Rollback>,
    /// The last releases, newest first.
    pub history: Vec<Release>,
    /// Since when pods that should serve beside the canary do not.
    pub dark_since: Option<Moment>,
}

/// The names of the phases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum PhaseName {
    /// [`super::Phase::Idle`]
    #[default]
    Idle,
    /// [`super::Phase::Progressing`]
    Progressing,
    /// [`super::Phase::Promoting`]
    Promoting,
    /// [`super::Phase::Completed`]
    Completed,
    /// [`super::Phase::Withdrawn`]
    Withdrawn,
    /// [`super::Phase::Halted`]
    Halted,
    /// [`super::Phase::Reverting`]
    Reverting,
}
