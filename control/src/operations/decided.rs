//! What a message of the operator makes of the decisions known before.

use std::collections::{BTreeMap, BTreeSet};

use model::decision::{Decision, RolloutId};
use wire::message::ToReplica;

/// The decisions after a message; nothing if they are the same as before.
///
/// The message is the whole set, with two exceptions: what could not be read stays as it was, and
/// of one rollout a lower number never replaces a higher one, because an operator that lost its
/// lease may speak last.
pub(super) fn merge(held: &[Decision], message: ToReplica) -> Option<Vec<Decision>> {
    let ToReplica { decisions, unreadable } = message;
    let unreadable: BTreeSet<RolloutId> = unreadable.into_iter().collect();
    let before: BTreeMap<&RolloutId, &Decision> =
        held.iter().map(|decision| (&decision.rollout, decision)).collect();
    let mut next: BTreeMap<RolloutId, Decision> = BTreeMap::new();
    for decision in decisions {
        let newest = match before.get(&decision.rollout) {
            Some(known) if known.number > decision.number => (*known).clone(),
            Some(_) | None => decision,
        };
        next.insert(newest.rollout.clone(), newest);
    }
    for kept in held.iter().filter(|decision| unreadable.contains(&decision.rollout)) {
        next.entry(kept.rollout.clone()).or_insert_with(|| kept.clone());
    }
    let next: Vec<Decision> = next.into_values().collect();
    (next != held).then_some(next)
}

#[cfg(test)]
mod tests;
