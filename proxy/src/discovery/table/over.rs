//! How far rollouts had come that nothing in use has any more: a replica of control that was cut
//! off must not bring one back, however long it was away. A rollout made anew begins with a higher
//! number (numbers start from the time of day), so nobody has to be forgotten but for room.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    decision::RolloutId,
    resource::Resource,
    service::{Service, Share, Split},
    weight::Weight,
};

/// The last decisions of the rollouts that ended latest.
#[derive(Debug, Default)]
pub(super) struct Over {
    last: BTreeMap<RolloutId, Last>,
    /// Counts endings.
    endings: u64,
}

#[derive(Debug)]
struct Last {
    decision: u64,
    ending: u64,
}

impl Over {
    /// Remembers rollouts that are over and how far they were.
    pub(super) fn note(&mut self, rollouts: BTreeMap<RolloutId, u64>) {
        for (rollout, decision) in rollouts {
            self.endings += 1;
            let before = self.last.get(&rollout).map_or(0, |last| last.decision);
            let last = Last { decision: decision.max(before), ending: self.endings };
            self.last.insert(rollout, last);
        }
        while self.last.len() > REMEMBERED {
            let oldest = self.last.iter().min_by_key(|(_, last)| last.ending);
            let Some(oldest) = oldest.map(|(rollout, _)| rollout.clone()) else { return };
            self.last.remove(&oldest);
        }
    }

    /// Why `next` must not be used, if it brings back a rollout behind the decision at which it
    /// ended.
    pub(super) fn objection(&self, next: &Resource) -> Option<String> {
        next.rollouts().into_iter().find_map(|(rollout, next)| {
            let last = self.last.get(&rollout)?.decision;
            let says =
                || format!("held decision {last} of rollout {rollout}, which is after {next}");
            (next < last).then(says)
        })
    }

    /// `next` with no traffic for the revisions on trial of rollouts that it brings back.
    pub(super) fn held_back(&self, next: &Resource) -> Resource {
        let Resource::Service(service) = next else { return next.clone() };
        let mut service = Service::clone(service);
        let is_behind = |split: &Split| {
            self.last.get(&split.rollout).is_some_and(|last| split.decision < last.decision)
        };
        let splits = service.backends.iter_mut().filter_map(|(_, backend)| backend.split.as_mut());
        for split in splits.filter(|split| is_behind(split)) {
            split.share = Share::Weighted(Weight::NONE);
        }
        Resource::Service(Arc::new(service))
    }
}

/// How many are remembered: more than a pod talks to services under rollouts, and not much memory.
pub(super) const REMEMBERED: usize = 1024;
