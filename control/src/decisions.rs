//! Which decision of a rollout is in force here: what its status holds, or a newer one that the
//! operator sent and that takes traffic away.
//!
//! Taking away is applied at once and is not undone by an older status; giving waits until the
//! status holds it, so that an operator that fails after it has spoken leaves nothing in force that
//! nobody wrote down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cluster::watch::{Mirror, ObjectName};
use model::{
    decision::{Decision, RolloutId},
    service::Split,
};

use crate::watch::Rollout;

/// The decisions in force.
#[derive(Debug, Default)]
pub struct Decisions {
    held: BTreeMap<RolloutId, Held>,
    splits: BTreeMap<ObjectName, Split>,
}

/// A decision in force.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Held {
    /// The rollout's uid: made again under the same name, it is another one, whose numbers mean
    /// nothing here.
    uid: Arc<str>,
    decision: Decision,
}

impl Decisions {
    /// How the traffic of a service is divided.
    #[must_use]
    pub fn split(&self, service: &ObjectName) -> Option<&Split> {
        self.splits.get(service)
    }

    /// Takes in what statuses hold and what the operator sent, and says which services are divided
    /// otherwise now.
    pub fn settle(
        &mut self,
        rollouts: &Mirror<Rollout>,
        sent: &[Decision],
    ) -> BTreeSet<ObjectName> {
        let sent: BTreeMap<&RolloutId, &Decision> =
            sent.iter().map(|decision| (&decision.rollout, decision)).collect();
        let mut held = BTreeMap::new();
        for (name, rollout) in rollouts.iter() {
            let id =
                RolloutId { namespace: Arc::clone(&name.namespace), name: Arc::clone(&name.name) };
            let before = self.held.get(&id).filter(|held| held.uid == rollout.uid);
            let before = before.map(|held| &held.decision);
            let next = follow(before, rollout.decision.as_ref(), sent.get(&id).copied());
            let uid = Arc::clone(&rollout.uid);
            held.extend(next.map(|decision| (id, Held { uid, decision: decision.clone() })));
        }
        self.held = held;
        let splits = splits(self.held.values().map(|held| &held.decision));
        let changed = changed(&self.splits, &splits);
        self.splits = splits;
        changed
    }
}

/// The decision to follow, where `held` is followed now, `written` is in the rollout's status, and
/// `sent` came straight from the operator.
#[must_use]
pub fn follow<'a>(
    held: Option<&'a Decision>,
    written: Option<&'a Decision>,
    sent: Option<&'a Decision>,
) -> Option<&'a Decision> {
    let newer = |next: &Decision| held.is_none_or(|held| next.number > held.number);
    let base = written.filter(|written| newer(written)).or(held);
    let falls = |sent: &Decision| match base {
        Some(base) => base.may_fall_to(sent),
        None => nothing(sent).may_fall_to(sent),
    };
    sent.filter(|sent| falls(sent)).or(base)
}

/// What holds before anything was decided.
fn nothing(of: &Decision) -> Decision {
    Decision { rollout: of.rollout.clone(), number: 0, services: Vec::new(), split: None }
}

/// The split of each service. Of two rollouts that claim one service, the first by name has it.
fn splits<'a>(decisions: impl Iterator<Item = &'a Decision>) -> BTreeMap<ObjectName, Split> {
    let mut splits = BTreeMap::new();
    for decision in decisions {
        let Some(decided) = &decision.split else { continue };
        for service in &decision.services {
            let namespace = Arc::clone(&decision.rollout.namespace);
            let name = ObjectName { namespace, name: Arc::clone(service) };
            splits.entry(name).or_insert_with(|| Split {
                rollout: decision.rollout.clone(),
                decision: decision.number,
                canary: decided.canary.clone(),
                share: decided.share,
            });
        }
    }
    splits
}

fn changed(
    before: &BTreeMap<ObjectName, Split>,
    after: &BTreeMap<ObjectName, Split>,
) -> BTreeSet<ObjectName> {
    let names = before.keys().chain(after.keys());
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests;
