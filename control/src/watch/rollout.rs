//! What is kept of a CanaryRollout: the decision that its status holds.

use std::sync::Arc;

use api::canary::{CanaryRollout, DecisionStatus};
use cluster::watch::ObjectName;
use kube::{Resource as _, core::DeserializeGuard};
use model::{
    decision::{DecidedSplit, Decision, RolloutId},
    revision::Revision,
    service::Share,
    weight::Weight,
};

/// A rollout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rollout {
    /// Its uid.
    pub uid: Arc<str>,
    /// What the data plane is to do, if anything was decided yet.
    pub decision: Option<Decision>,
}

impl Rollout {
    /// What is kept of `object`. A status that cannot be read decides nothing.
    #[must_use]
    pub fn keep(object: &DeserializeGuard<CanaryRollout>) -> Option<Self> {
        let name = ObjectName::of(object);
        let status = object.0.as_ref().ok().and_then(|rollout| rollout.status.as_ref());
        let decision = status.and_then(|status| status.decision.as_ref());
        let rollout = RolloutId { namespace: name.namespace, name: name.name };
        let uid = object.meta().uid.as_deref().unwrap_or_default().into();
        Some(Self { uid, decision: decision.and_then(|decision| decode(rollout, decision)) })
    }
}

fn decode(rollout: RolloutId, status: &DecisionStatus) -> Option<Decision> {
    let number = u64::try_from(status.number).ok()?;
    let services: Vec<Arc<str>> = status.services.iter().map(|name| name.as_str().into()).collect();
    let split = match &status.canary {
        None => None,
        Some(canary) => Some(DecidedSplit {
            canary: Revision::new(canary.as_str()).ok()?,
            share: if status.joined { Share::Joined } else { Share::Weighted(weight(status)?) },
        }),
    };
    Some(Decision { rollout, number, services, split })
}

fn weight(status: &DecisionStatus) -> Option<Weight> {
    Weight::from_basis_points(u16::try_from(status.weight).ok()?).ok()
}
