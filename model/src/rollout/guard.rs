//! The guard of stable capacity: no gate is held when nobody else could serve.

use std::time::Duration;

use super::{Cause, Phase, Pods, Trust, Workload};
use crate::{revision::Revision, weight::Weight};

/// How long canary pods may all be unready before that is a failure of the release. A restart of
/// the kubelet makes a node's gated pods look unready for up to a probe's period.
pub const FLAP: Duration = Duration::from_secs(30);

/// How long pods that are wanted beside the canary may serve nobody before its gates are opened.
/// Kubernetes takes away unready old pods first, so a gate that opened at their first flap would
/// end the release's trial.
pub const DARK: Duration = Duration::from_secs(15);

/// The same for a release that was withdrawn: what is known to be bad waits for pods that are being
/// restarted.
pub const DARK_WITHDRAWN: Duration = Duration::from_secs(60);

/// What there is to serve, beside the canary and with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Capacity {
    /// How many pods the workload wants in all.
    pub(super) replicas: u32,
    /// Pods of other revisions that serve.
    pub(super) serving: u32,
    /// Pods of other, trusted revisions that are wanted.
    pub(super) wanted: u32,
    /// Pods of other revisions, in whatever state.
    pub(super) left: u32,
    /// The canary's.
    pub(super) canary: Pods,
}

impl Capacity {
    pub(super) fn of(workload: &Workload, trust: &Trust, canary: &Revision) -> Self {
        let mut capacity = Self {
            replicas: workload.replicas,
            serving: 0,
            wanted: 0,
            left: 0,
            canary: workload.pods(canary),
        };
        for (revision, pods) in workload.revisions.iter().filter(|(other, _)| *other != canary) {
            capacity.serving += pods.serving;
            capacity.left += pods.existing;
            if trust.revisions.contains(revision) {
                capacity.wanted += pods.wanted;
            }
        }
        capacity
    }

    /// Whether others are wanted, and none of them serves.
    pub(super) const fn is_dark(&self) -> bool {
        self.serving == 0 && self.wanted > 0
    }

    /// Why the canary's gates must not be held, if they must not.
    pub(super) fn guard(&self, dark_for: Option<Duration>, patience: Duration) -> Option<Cause> {
        if self.serving > 0 {
            return None;
        }
        if self.wanted == 0 {
            return Some(Cause::NoStable);
        }
        let dark = dark_for.is_some_and(|dark_for| dark_for >= patience);
        dark.then_some(Cause::StableDark)
    }

    /// The canary's share of what the workload wants: no pod of it carries more than its part.
    pub(super) fn fair_share(&self) -> Weight {
        Weight::of(self.canary.healthy, self.replicas)
    }

    /// What the others cannot carry and the canary therefore must, once its pods have taken the
    /// place of others.
    pub(super) fn burden(&self) -> Weight {
        if self.canary.serving == 0 {
            return Weight::NONE;
        }
        Weight::of(self.replicas.saturating_sub(self.serving), self.replicas)
    }

    /// Whether Kubernetes has finished: the canary serves alone.
    pub(super) const fn is_replaced(&self) -> bool {
        self.left == 0 && self.canary.serving >= self.replicas
    }
}

impl Phase {
    /// How long others may be dark before the guard opens the gates.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Withdrawn { .. } => DARK_WITHDRAWN,
            Self::Idle
            | Self::Completed
            | Self::Progressing { .. }
            | Self::Promoting { .. }
            | Self::Halted { .. }
            | Self::Reverting { .. } => DARK,
        }
    }
}
