//! What a user wants of a rollout.

use std::time::Duration;

use crate::{verdict::Slo, weight::Weight};

/// How a release is to go.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the canary gets, step by step. Without steps a release is promoted when its pods are
    /// ready.
    pub steps: Vec<Step>,
    /// What a good release is.
    pub slo: Slo,
    /// What happens while reports hold no attempt on the canary.
    pub on_no_traffic: OnNoTraffic,
    /// What happens while no reports arrive.
    pub on_metric_unavailable: OnMetricUnavailable,
    /// How many live proxies a step need not wait for.
    pub max_unsynced: u32,
    /// Promote at once, without steps or checks.
    pub skip_analysis: bool,
    /// Whether a template that differs from the stable one in its restart time alone goes through
    /// the steps.
    pub restarts_are_releases: bool,
    /// The longest a release may take from its start until its gates are opened, apart from times
    /// when a person or a shared service held it: then it is withdrawn. After that the longest that
    /// Kubernetes may take for one pod more: then it is halted. No bound if absent.
    pub progress_deadline: Option<Duration>,
}

/// One step of a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// What the canary gets. It never gets more than its share of ready pods; the step is reached
    /// there.
    pub weight: Weight,
    /// The shortest the step takes, from when the proxies hold it.
    pub hold: Duration,
    /// How many attempts the canary must have had in this step.
    pub min_requests: u64,
    /// Whether a person must let it go on.
    pub pause: Pause,
}

/// Whether a step ends by itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pause {
    /// It does.
    #[default]
    None,
    /// It ends when it is approved ([`super::Approval`]).
    UntilApproved,
}

/// What happens while reports hold no attempt on the canary.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnNoTraffic {
    /// The step waits.
    #[default]
    Hold,
    /// The step ends when its time is over.
    Advance,
}

/// What happens while no reports arrive. A step never ends without reports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnMetricUnavailable {
    /// The step waits.
    #[default]
    Hold,
    /// The release is withdrawn when it has lasted this long.
    Withdraw {
        /// How long.
        after: Duration,
    },
}
