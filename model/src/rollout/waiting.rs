//! What a rollout waits for: a closed set, each with a label for machines and a sentence for
//! people.

use std::sync::Arc;

use super::reason::Unfit;
use crate::{acks::Proof, moment::Moment};

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
    /// A service that leads to the target's pods alone.
    SharedService {
        /// The one that leads elsewhere too.
        service: Arc<str>,
    },
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
            Self::SharedService { .. } => "SharedService",
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
            Self::FitTarget(unfit) => unfit.sentence(),
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
            Self::SharedService { service } => format!(
                "service {service} also leads to pods of another workload: the release gets no more traffic \
                 and its gates stay shut. Let the selector match the target's pods alone, or name in \
                 spec.services only services that do"
            ),
            Self::Pods { serving, wanted } => {
                format!("Kubernetes replaces the pods: {serving} of {wanted} serve")
            }
            Self::Leaving { left } => format!("{left} pods of the release are leaving"),
            Self::Fix => "change the workload's template to go on: back to the stable revision, or forward to another".to_owned(),
        }
    }
}
