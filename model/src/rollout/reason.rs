//! Why things happen: closed sets, each with a label for machines and a sentence for people.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Stage;
use crate::verdict::{Breach, Rule};

/// Why a release was withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// It failed too much.
    Breach(Breach),
    /// A container of it crashed.
    Crashed {
        /// How often since the release began.
        crashes: u32,
    },
    /// None of its pods has been ready for [`super::guard::FLAP`], after some had been.
    NotReady,
    /// The release took longer than `progressDeadline` allows.
    DeadlineExceeded {
        /// The step that it had come to, counted from 0.
        step: u32,
    },
    /// Its promotion took longer than `progressDeadline` allows.
    PromotionStuck {
        /// How far it had come.
        stage: Stage,
    },
    /// No reports arrived for as long as the plan bears.
    MetricUnavailable,
    /// `spec.abort` was set.
    Aborted,
}

/// Why a release is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// It passed all steps.
    Passed,
    /// No other pod is there to serve, and none is wanted.
    NoStable,
    /// Other pods are wanted and have not served for [`super::guard::DARK`], or
    /// [`super::guard::DARK_WITHDRAWN`].
    StableDark,
    /// Its template differs from the stable one in its restart time alone.
    RestartOnly,
    /// The plan skips the analysis.
    AnalysisSkipped,
}

/// Why a workload cannot have a rollout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unfit {
    /// Its strategy stops all old pods before it starts new ones.
    Recreate,
    /// One of the services also leads to pods of another workload, and nobody is kept out.
    SharedService {
        /// The service.
        service: Arc<str>,
    },
    /// Another rollout has the same target.
    SharedTarget,
}

/// What happened in a turn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// What, in one word.
    pub event: Event,
    /// The same in a sentence.
    pub sentence: String,
}

/// What can happen: the reasons of Kubernetes events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The revision that serves was recorded as the one to trust.
    StableRecorded,
    /// No trusted revision has pods left, and the wanted one does not serve yet.
    TrustLost,
    /// The workload was made anew; what was known of the former one is forgotten.
    TargetReplaced,
    /// The workload is gone.
    TargetLost,
    /// The workload cannot have a rollout (any more).
    TargetUnfit,
    /// A new revision is on trial.
    ReleaseStarted,
    /// Another revision replaced the one on trial.
    ReleaseSuperseded,
    /// A step began.
    StepStarted,
    /// The weight was raised within a step.
    WeightRaised,
    /// The weight was lowered because fewer canary pods are ready.
    WeightLowered,
    /// The release passed its last step.
    ReleasePassed,
    /// Its revision is trusted.
    ReleaseTrusted,
    /// Its gates are being opened.
    GatesOpening,
    /// Its gates are opened because no other pod can serve.
    GuardOpened,
    /// It serves alone.
    ReleaseCompleted,
    /// It was withdrawn because it failed.
    ReleaseFailed,
    /// It was withdrawn because somebody said so.
    ReleaseAborted,
    /// It failed while it was replacing the others.
    ReleaseHalted,
    /// A trusted revision is wanted again.
    RevertStarted,
    /// The pods of the release are gone.
    RevertCompleted,
    /// Somebody else decided meanwhile; that decision was replaced by a harmless one.
    DecisionOvertaken,
}

impl Reason {
    /// Its name in status and events.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Breach(breach) => breach.rule.label(),
            Self::Crashed { .. } => "Crashed",
            Self::NotReady => "NotReady",
            Self::DeadlineExceeded { .. } | Self::PromotionStuck { .. } => "DeadlineExceeded",
            Self::MetricUnavailable => "MetricUnavailable",
            Self::Aborted => "Aborted",
        }
    }

    /// Why, as a person reads it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Breach(breach) => breach.sentence(),
            Self::Crashed { crashes: 1 } => "a container crashed".to_owned(),
            Self::Crashed { crashes } => format!("containers crashed {crashes} times"),
            Self::NotReady => {
                format!("no pod has been ready for {} seconds", super::guard::FLAP.as_secs())
            }
            Self::DeadlineExceeded { step } => {
                format!("progressDeadline passed in step {}", step.saturating_add(1))
            }
            Self::PromotionStuck { stage: Stage::Joining } => {
                "progressDeadline passed before all proxies counted its pods among the others"
                    .to_owned()
            }
            Self::PromotionStuck { stage: Stage::Trusting } => {
                "progressDeadline passed before it was written down that it is trusted".to_owned()
            }
            Self::PromotionStuck { stage: Stage::Opening } => {
                "progressDeadline passed without one more of its pods serving".to_owned()
            }
            Self::MetricUnavailable => "no proxy's counts arrived".to_owned(),
            Self::Aborted => "spec.abort was set".to_owned(),
        }
    }

    /// Whether requests were seen to fail.
    #[must_use]
    pub const fn is_breach(&self) -> bool {
        match self {
            Self::Breach(Breach { rule: Rule::Ratio | Rule::Comparison | Rule::Cap, .. }) => true,
            Self::Crashed { .. }
            | Self::NotReady
            | Self::DeadlineExceeded { .. }
            | Self::PromotionStuck { .. }
            | Self::MetricUnavailable
            | Self::Aborted => false,
        }
    }
}

impl Cause {
    /// Its name in status.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::NoStable => "NoStable",
            Self::StableDark => "StableDark",
            Self::RestartOnly => "RestartOnly",
            Self::AnalysisSkipped => "AnalysisSkipped",
        }
    }

    /// Why, as a person reads it.
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::Passed => "it passed all steps".to_owned(),
            Self::NoStable => "no pod of another revision is wanted that could serve".to_owned(),
            Self::StableDark => {
                "the pods of other revisions have served nobody for too long".to_owned()
            }
            Self::RestartOnly => "nothing but the restart time changed".to_owned(),
            Self::AnalysisSkipped => "spec.skipAnalysis is set".to_owned(),
        }
    }

    /// Whether the release is still judged while it is let in.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        match self {
            Self::Passed | Self::NoStable | Self::StableDark => true,
            Self::RestartOnly | Self::AnalysisSkipped => false,
        }
    }
}

impl Unfit {
    /// Its name in conditions.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Recreate => "RecreateStrategy",
            Self::SharedService { .. } => "SharedService",
            Self::SharedTarget => "SharedTarget",
        }
    }

    /// Why, as a person reads it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Recreate => {
                "the workload's strategy Recreate stops all old pods before new ones start: nothing is held"
                    .to_owned()
            }
            Self::SharedService { service } => format!(
                "service {service} also leads to pods of another workload: nothing is held. Let its selector \
                 match the target's pods alone, or name in spec.services only services that do"
            ),
            Self::SharedTarget => {
                "another rollout has the same target: nothing is held".to_owned()
            }
        }
    }
}

impl Event {
    /// The event's reason.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::StableRecorded => "StableRecorded",
            Self::TrustLost => "TrustLost",
            Self::TargetReplaced => "TargetReplaced",
            Self::TargetLost => "TargetLost",
            Self::TargetUnfit => "TargetUnfit",
            Self::ReleaseStarted => "ReleaseStarted",
            Self::ReleaseSuperseded => "ReleaseSuperseded",
            Self::StepStarted => "StepStarted",
            Self::WeightRaised => "WeightRaised",
            Self::WeightLowered => "WeightLowered",
            Self::ReleasePassed => "ReleasePassed",
            Self::ReleaseTrusted => "ReleaseTrusted",
            Self::GatesOpening => "GatesOpening",
            Self::GuardOpened => "GuardOpened",
            Self::ReleaseCompleted => "ReleaseCompleted",
            Self::ReleaseFailed => "ReleaseFailed",
            Self::ReleaseAborted => "ReleaseAborted",
            Self::ReleaseHalted => "ReleaseHalted",
            Self::RevertStarted => "RevertStarted",
            Self::RevertCompleted => "RevertCompleted",
            Self::DecisionOvertaken => "DecisionOvertaken",
        }
    }

    /// Whether a person should look.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        match self {
            Self::TrustLost
            | Self::TargetReplaced
            | Self::TargetLost
            | Self::TargetUnfit
            | Self::WeightLowered
            | Self::GuardOpened
            | Self::ReleaseFailed
            | Self::ReleaseAborted
            | Self::ReleaseHalted
            | Self::DecisionOvertaken => true,
            Self::StableRecorded
            | Self::ReleaseStarted
            | Self::ReleaseSuperseded
            | Self::StepStarted
            | Self::WeightRaised
            | Self::ReleasePassed
            | Self::ReleaseTrusted
            | Self::GatesOpening
            | Self::ReleaseCompleted
            | Self::RevertStarted
            | Self::RevertCompleted => false,
        }
    }
}
