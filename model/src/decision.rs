//! The decision of a rollout that the data plane follows, and how two of them are told apart.
//!
//! Content hashes detect change but have no order; what must never go back carries a number
//! instead. The number rises with every change of what the canary gets and is kept in the rollout's
//! status.

use std::{fmt, sync::Arc};

use crate::{revision::Revision, service::Share, weight::Weight};

/// A CanaryRollout: `<namespace>/<name>`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct RolloutId {
    /// The rollout's namespace.
    pub namespace: Arc<str>,
    /// The rollout's name.
    pub name: Arc<str>,
}

/// What the data plane is to do about one rollout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Whose decision.
    pub rollout: RolloutId,
    /// Its number: a higher one replaces a lower one.
    pub number: u64,
    /// The services (in the rollout's namespace) that lead to the target's pods.
    pub services: Vec<Arc<str>>,
    /// What to do; nothing means no split.
    pub split: Option<DecidedSplit>,
}

/// The revision on trial and what it gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecidedSplit {
    /// The revision on trial.
    pub canary: Revision,
    /// What it gets.
    pub share: Share,
}

impl RolloutId {
    /// The rollout `namespace/name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The rollout that `namespace/name` means, if the text has that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        (!namespace.is_empty() && !name.is_empty()).then(|| Self::new(namespace, name))
    }
}

impl Decision {
    /// The part of traffic that a revision on trial gets, where pods that joined count as having
    /// none of their own.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match &self.split {
            Some(DecidedSplit { share: Share::Weighted(weight), .. }) => *weight,
            Some(DecidedSplit { share: Share::Joined, .. }) | None => Weight::NONE,
        }
    }

    /// Whether `other` is newer and asks for no more than this one, so that it may be followed
    /// before it is written down anywhere: taking traffic away never waits, giving it does.
    #[must_use]
    pub fn may_fall_to(&self, other: &Self) -> bool {
        let joins = |decision: &Self| {
            matches!(&decision.split, Some(DecidedSplit { share: Share::Joined, .. }))
        };
        other.number > self.number && !joins(other) && other.weight() <= self.weight()
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
