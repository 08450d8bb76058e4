//! What a state asks the caller to hold, as levels: made so again at every turn, whatever was lost before.

use std::collections::BTreeSet;

use super::{
    Decided, Trust,
    reason::{Transition, Unfit},
};
use crate::{
    acks::Proof, moment::Moment, revision::Revision, rows::Counts, verdict::Verdict, weight::Weight,
};

/// What is to be held.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// What every control replica is told. A change that takes traffic away is sent before it is recorded, any
    /// other after.
    pub decided: Decided,
    /// What the webhook and the admission policy are to trust.
    pub trust: Trust,
    /// Whose gates are to be open.
    pub gates: Gates,
    /// The word for where it stands.
    pub standing: Standing,
    /// The step under way, counted from 0, and how many there are.
    pub step: Option<(u32, u32)>,
    /// What the canary is to get.
    pub desired: Weight,
    /// What it gets at most, as every live proxy acknowledged it.
    pub observed: Weight,
    /// The revision on trial.
    pub canary: Option<Revision>,
    /// How many live proxies hold the decision. Absent while that is not known.
    pub proxies: Option<Proof>,
    /// What was counted, and what it says.
    pub checks: Option<Checks>,
    /// Why it does not go on, if it waits for something.
    pub waiting: Option<Waiting>,
    /// When the next turn is due though nothing is seen to change.
    pub again_at: Option<Moment>,
    /// What happened in this turn.
    pub transition: Option<Transition>,
}

/// Whose gates are to be open. A gate that was opened is never shut again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gates {
    /// Those of all revisions.
    All,
    /// Those of these revisions.
    Only(BTreeSet<Revision>),
}

/// What was counted in the segment under way, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// The verdict.
    pub verdict: Verdict,
    /// The canary's attempts in this step.
    pub canary: Counts,
    /// Everybody else's in this step.
    pub base: Counts,
}

/// Where a rollout stands, in a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing is on trial.
    Idle,
    /// A release goes through its steps.
    Progressing,
    /// A step waits for a person.
    Paused,
    /// `spec.suspend` keeps a release where it is.
    Suspended,
    /// A release replaces the others.
    Promoting,
    /// The last release serves alone.
    Completed,
    /// The release was withdrawn because it failed.
    Failed,
    /// The release was withdrawn because somebody said so.
    Aborted,
    /// The release failed while it replaced the others.
    Halted,
    /// The release's pods are leaving.
    Reverting,
}

/// What a rollout waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// A workload to look after.
    Target,
    /// A workload that can have a rollout.
    FitTarget(Unfit),
    /// A pod of the stable revision that serves.
    StablePod,
    /// A canary pod whose containers are ready.
    CanaryPod,
    /// Live proxies that do not hold the decision.
    Proxies(Proof),
    /// Control replicas that have not told what they know.
    Control,
    /// Proxies' counts.
    Telemetry,
    /// The record of the last turn.
    Record,
    /// The end of the step's time.
    Time {
        /// When that is.
        until: Moment,
    },
    /// Attempts on the canary.
    Requests {
        /// Those it had in this step.
        had: u64,
        /// Those it must have.
        needed: u64,
    },
    /// More evidence: there are more failures than there should be, and no proof.
    Evidence,
    /// A person who lets it go on.
    Approval {
        /// The step, counted from 0.
        step: u32,
    },
    /// The end of `spec.suspend`.
    Resume,
    /// Kubernetes, which replaces the pods.
    Pods {
        /// Pods of the release that serve.
        serving: u32,
        /// How many are wanted.
        wanted: u32,
    },
    /// Pods of the release to go away.
    Leaving {
        /// How many are left.
        left: u32,
    },
    /// A person who changes the template.
    Fix,
}

impl Standing {
    /// Its name in status.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Suspended => "Suspended",
            Self::Promoting => "Promoting",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
            Self::Halted => "Halted",
            Self::Reverting => "Reverting",
        }
    }
}

impl Waiting {
    /// Its name in status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Target => "NoTarget",
            Self::FitTarget(unfit) => unfit.label(),
            Self::StablePod => "NoStablePod",
            Self::CanaryPod => "NoCanaryPod",
            Self::Proxies(_) => "ProxiesBehind",
            Self::Control => "ControlUnknown",
            Self::Telemetry => "MetricUnavailable",
            Self::Record => "Recording",
            Self::Time { .. } => "Holding",
            Self::Requests { had: 0, .. } => "NoTraffic",
            Self::Requests { .. } => "FewRequests",
            Self::Evidence => "Inconclusive",
            Self::Approval { .. } => "AwaitingApproval",
            Self::Resume => "Suspended",
            Self::Pods { .. } => "ReplacingPods",
            Self::Leaving { .. } => "PodsLeaving",
            Self::Fix => "AwaitingFix",
        }
    }

    /// What it waits for, as a person reads it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Target => "the target does not exist".to_owned(),
            Self::FitTarget(unfit) => unfit.sentence().to_owned(),
            Self::StablePod => "no pod has been ready yet: gates are off until one is".to_owned(),
            Self::CanaryPod => "no canary pod has all its containers ready".to_owned(),
            Self::Proxies(proof) => format!(
                "{} of {} proxies follow the decision, not yet {}",
                proof.synced,
                proof.total,
                proof.names()
            ),
            Self::Control => "not all control replicas have told what their proxies hold".to_owned(),
            Self::Telemetry => "proxies' counts do not arrive".to_owned(),
            Self::Record => "the status is being written".to_owned(),
            Self::Time { .. } => "the step's time is not over".to_owned(),
            Self::Requests { had, needed } => {
                format!("the canary had {had} of {needed} requests")
            }
            Self::Evidence => {
                "more requests fail than should, too few to prove anything".to_owned()
            }
            Self::Approval { step } => {
                format!("step {} waits for approval", step.saturating_add(1))
            }
            Self::Resume => "spec.suspend is set".to_owned(),
            Self::Pods { serving, wanted } => {
                format!("Kubernetes replaces the pods: {serving} of {wanted} serve")
            }
            Self::Leaving { left } => format!("{left} pods of the release are leaving"),
            Self::Fix => "change the workload's template to go on: back to the stable revision, or forward to another".to_owned(),
        }
    }
}
