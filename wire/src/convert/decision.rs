//! Decisions about rollouts.

use model::{
    decision::{DecidedSplit, Decision, RolloutId},
    revision::Revision,
    service::Share,
};

use super::{address::text, service::decode_weight};
use crate::{
    invalid::{At, Invalid, Problem, each, required},
    limit,
    message::HeldDecision,
    proto,
};

/// `<namespace>/<name>`.
pub(super) fn decode_rollout(text: &str) -> Result<RolloutId, Problem> {
    let short = |name: &str| name.len() <= limit::NAME && !name.contains('/');
    RolloutId::parse(text)
        .filter(|id| short(&id.namespace) && short(&id.name))
        .ok_or_else(|| Problem::Rollout(limit::cut(text, limit::NAME).to_owned()))
}

impl From<&Decision> for proto::Decision {
    fn from(Decision { rollout, number, services, split }: &Decision) -> Self {
        Self {
            rollout: rollout.to_string(),
            number: *number,
            services: services.iter().map(text).collect(),
            canary: split.as_ref().map(|split| split.canary.to_string()).unwrap_or_default(),
            share: split.as_ref().map(|split| match split.share {
                Share::Weighted(weight) => {
                    proto::decision::Share::Weighted(weight.basis_points().into())
                }
                Share::Joined => proto::decision::Share::Joined(proto::Unit {}),
            }),
        }
    }
}

impl TryFrom<proto::Decision> for Decision {
    type Error = Invalid;

    fn try_from(decision: proto::Decision) -> Result<Self, Invalid> {
        let proto::Decision { rollout, number, services, canary, share } = decision;
        Ok(Self {
            rollout: decode_rollout(&rollout).at("rollout")?,
            number,
            services: each(services, limit::name).at("services")?,
            split: decode_split(canary, share)?,
        })
    }
}

/// Neither a revision nor a share is no split; one without the other is an error.
fn decode_split(
    canary: String,
    share: Option<proto::decision::Share>,
) -> Result<Option<DecidedSplit>, Invalid> {
    if canary.is_empty() && share.is_none() {
        return Ok(None);
    }
    let share = match required(share).at("share")? {
        proto::decision::Share::Weighted(points) => {
            Share::Weighted(decode_weight(points).at("weighted")?)
        }
        proto::decision::Share::Joined(proto::Unit {}) => Share::Joined,
    };
    Ok(Some(DecidedSplit { canary: Revision::new(canary).at("canary")?, share }))
}

impl From<&HeldDecision> for proto::HeldDecision {
    fn from(HeldDecision { rollout, acked }: &HeldDecision) -> Self {
        Self { rollout: rollout.to_string(), acked: *acked }
    }
}

impl TryFrom<proto::HeldDecision> for HeldDecision {
    type Error = Invalid;

    fn try_from(held: proto::HeldDecision) -> Result<Self, Invalid> {
        let proto::HeldDecision { rollout, acked } = held;
        Ok(Self { rollout: decode_rollout(&rollout).at("rollout")?, acked })
    }
}
