//! What a user's spec means to the machine.

use std::time::Duration;

use api::canary::{CanaryRolloutSpec, CompareTo, OnNoTraffic, Step};
use model::{
    rollout::{self, OnMetricUnavailable, Pause, Plan},
    verdict::Slo,
    weight::Weight,
};

/// The plan that `spec` describes. What the CRD's schema already refuses is bounded here, not
/// judged again.
pub(super) fn of(spec: &CanaryRolloutSpec) -> Plan {
    Plan {
        steps: spec.steps.iter().map(step).collect(),
        slo: Slo {
            max_error_ratio: spec.slo.max_error_ratio.clamp(0.0, 1.0),
            compare: spec.slo.compare_to == CompareTo::Stable,
            max_failed_requests: spec.slo.max_failed_requests.map(u64::from),
            // How many a step must have is each step's own to say.
            min_requests: 1,
        },
        on_no_traffic: match spec.on_no_traffic {
            OnNoTraffic::Hold => rollout::OnNoTraffic::Hold,
            OnNoTraffic::Advance => rollout::OnNoTraffic::Advance,
        },
        on_metric_unavailable: OnMetricUnavailable::Hold,
        max_unsynced: u32::try_from(spec.max_unsynced).unwrap_or(0),
        skip_analysis: false,
        restarts_are_releases: false,
        progress_deadline: spec.progress_deadline.map(|span| span.0),
    }
}

/// How long all steps take at least.
pub(super) fn shortest(spec: &CanaryRolloutSpec) -> Duration {
    spec.steps.iter().map(|step| step.hold.0).sum()
}

fn step(step: &Step) -> rollout::Step {
    rollout::Step {
        weight: Weight::from_percent(step.weight).unwrap_or(Weight::ALL),
        hold: step.hold.0,
        min_requests: u64::from(step.min_requests),
        pause: Pause::None,
    }
}
