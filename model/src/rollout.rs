//! The rollout machine: says where a release stands next and what must be held now, and does
//! nothing else.
//!
//! The caller observes ([`Seen`]), asks for the next state and what to hold ([`Rollout::next`]),
//! makes it so, and writes the state down ([`Persisted`]). What is held are levels: a write that
//! was lost is made again at the next turn. One turn makes at most one transition, so the caller
//! asks again at once while [`Hold::transition`] is there, with `recorded` as true as it then is.
//!
//! What holds in every state:
//! - The decision's number rises with every change of traffic and never falls.
//! - Taking traffic away waits for nothing. Giving more waits until all proxies hold the last
//!   decision, telemetry is fresh and the record is written. After a restart none of these is
//!   known, so nothing rises then.
//! - A gate stays shut only while pods of another revision serve, or are wanted and were seen
//!   serving a moment ago ([`guard`]).
//! - A withdrawn revision is not tried again before another one was wanted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

mod decide;
pub mod guard;
pub mod hold;
pub mod meter;
pub mod persist;
pub mod plan;
mod progress;
mod promote;
pub mod reason;
pub mod run;
pub mod seen;
mod turn;
pub mod waiting;

pub use hold::{Checks, Gates, Hold, Standing};
pub use persist::Persisted;
pub use plan::{OnMetricUnavailable, OnNoTraffic, Pause, Plan, Step};
pub use reason::{Cause, Event, Reason, Transition, Unfit};
pub use run::{Outcome, Progress, Release, Rollback, Run, Stage};
pub use seen::{Approval, Owner, Pods, Seen, Strategy, Target, Workload};
pub use waiting::Waiting;

use crate::{moment::Moment, revision::Revision, service::Share, weight::Weight};

/// A rollout: what it remembers, and where its release stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    /// The revisions whose pods carry no gate.
    pub trust: Trust,
    /// The revision that was last found good.
    pub stable: Option<Revision>,
    /// What the data plane was told last.
    pub decided: Decided,
    /// What the canary gets at most, as every live proxy acknowledged it.
    pub observed: Weight,
    /// Where the release stands.
    pub phase: Phase,
    /// The last release that was withdrawn.
    pub rollback: Option<Rollback>,
    /// The last releases that ended, newest first, at most [`Rollout::REMEMBERED`].
    pub history: Vec<Release>,
    /// Since when pods that should serve beside the canary do not, if that is so.
    pub dark_since: Option<Moment>,
}

/// Where a release stands. A fact that matters in one phase lives in that phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Phase {
    /// Nothing is on trial.
    #[default]
    Idle,
    /// The canary's weight is raised step by step.
    Progressing {
        /// The release.
        run: Run,
        /// How far it is.
        progress: Progress,
    },
    /// The canary passed, or may not be kept out, and replaces the others.
    Promoting {
        /// The release.
        run: Run,
        /// How far it is.
        stage: Stage,
        /// Why it is let in.
        cause: Cause,
    },
    /// The last release serves alone.
    Completed,
    /// The release gets nothing, and is not tried again until another one was wanted.
    Withdrawn {
        /// The release.
        run: Run,
        /// Why.
        reason: Reason,
    },
    /// The release failed when its pods had taken the place of others: it gets what the others
    /// cannot carry, no gate is opened, and a person must act.
    Halted {
        /// The release.
        run: Run,
        /// Why.
        reason: Reason,
    },
    /// A trusted revision is wanted again; the canary's pods are leaving.
    Reverting {
        /// The release.
        run: Run,
    },
}

/// The revisions that traffic trusts, and whose they are: two workloads may have equal revisions.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// The workload's UID. Revisions of any other owner are not meant.
    pub owner: Option<Owner>,
    /// The revisions; none means that no pod carries a gate.
    pub revisions: BTreeSet<Revision>,
}

/// What the data plane is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Decided {
    /// Rises with every change.
    pub number: u64,
    /// How traffic is divided; not at all if absent.
    pub split: Option<Division>,
}

/// A revision on trial and what it gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Division {
    /// The revision.
    pub canary: Revision,
    /// Its part.
    pub share: Share,
}

impl Rollout {
    /// How many releases are remembered.
    pub const REMEMBERED: usize = 10;
}

#[cfg(test)]
mod tests;
