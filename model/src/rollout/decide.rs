//! From what a phase aims at to the numbered decision: down at once, up only with proof.

use super::{Decided, Division, Event, Phase, Plan, Rollout, Run, Seen, Waiting, turn::Turn};
use crate::{acks::Proof, revision::Revision, service::Share, weight::Weight};

/// The traffic that a phase aims at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Aim {
    /// No revision is singled out.
    Undivided,
    /// One is.
    Divided {
        /// The revision.
        canary: Revision,
        /// What it gets without any proof, because nobody else can carry it.
        least: Weight,
        /// What it gets with proof.
        most: Share,
        /// Whether it gets that without proof.
        forced: bool,
    },
}

impl Turn<'_> {
    /// Makes the decision follow the phase.
    pub(super) fn decide(&mut self) {
        let aim = self.aim(&self.rollout.phase);
        let split = if self.seen.heard > self.rollout.decided.number {
            // A former operator decided something that it could not record. It was not a rise,
            // since these are recorded first; nothing that we might hold is sure to be as low, but
            // the least.
            let heard = self.seen.heard;
            let sentence = format!("decision {heard} was made by somebody else and is replaced");
            self.tell(Event::DecisionOvertaken, sentence);
            self.lowered(aim.lowest())
        } else {
            let next = self.division(&aim);
            if next == self.rollout.decided.split {
                return;
            }
            next
        };
        self.tell_weight(split.as_ref());
        let number = self.rollout.decided.above(self.seen);
        self.rollout.decided = Decided { number, split };
        let weighted = !self.rollout.decided.weight().is_none() && self.seen.totals.is_some();
        if let Some(run) = self.rollout.phase.run_mut() {
            run.meter.turn(self.seen.now, weighted);
        }
    }

    fn division(&self, aim: &Aim) -> Option<Division> {
        let Aim::Divided { canary, most, forced, .. } = aim else { return None };
        let wanted = Division { canary: canary.clone(), share: *most };
        let Some(share) = self.rollout.decided.share_of(canary) else {
            return if *forced { Some(wanted) } else { aim.lowest() };
        };
        let rises = exposure(*most) > exposure(share);
        if !rises || *forced || self.may_rise() {
            return Some(wanted);
        }
        self.rollout.decided.split.clone()
    }

    /// The division, or the same with what is held now, should that be less.
    fn lowered(&self, division: Option<Division>) -> Option<Division> {
        let division = division?;
        let held = self.rollout.decided.share_of(&division.canary);
        match (held, division.share) {
            (Some(Share::Weighted(held)), Share::Weighted(least)) => {
                Some(Division { share: Share::Weighted(held.min(least)), ..division })
            }
            (Some(Share::Joined) | None, _) | (_, Share::Joined) => Some(division),
        }
    }

    fn may_rise(&self) -> bool {
        let stays = match &self.rollout.phase {
            Phase::Progressing { .. } | Phase::Promoting { .. } => self.seen.stays().is_some(),
            Phase::Idle
            | Phase::Completed
            | Phase::Withdrawn { .. }
            | Phase::Halted { .. }
            | Phase::Reverting { .. } => false,
        };
        !stays && self.rollout.raise_waits(self.plan, self.seen).is_none()
    }

    fn tell_weight(&mut self, next: Option<&Division>) {
        let Some(Division { canary, share: Share::Weighted(weight) }) = next else { return };
        let Some(Share::Weighted(before)) = self.rollout.decided.share_of(canary) else { return };
        let event = if *weight > before { Event::WeightRaised } else { Event::WeightLowered };
        self.tell(event, format!("{canary} gets {weight} instead of {before}"));
    }
}

impl Aim {
    /// What may be held whatever was held before.
    fn lowest(&self) -> Option<Division> {
        match self {
            Self::Undivided => None,
            Self::Divided { canary, least, most, .. } => {
                let share = match most {
                    Share::Weighted(most) => Share::Weighted(*most.min(least)),
                    Share::Joined => Share::Weighted(*least),
                };
                Some(Division { canary: canary.clone(), share })
            }
        }
    }
}

impl Rollout {
    /// What is not known yet and must be before traffic may rise: nothing, once every live proxy
    /// holds the decision there is, counts arrive, and the record is written.
    pub(super) fn raise_waits(&self, plan: &Plan, seen: &Seen) -> Option<Waiting> {
        if !seen.recorded {
            return Some(Waiting::Record);
        }
        let Some(proof) = self.proof(seen) else { return Some(Waiting::Control) };
        if !proof.suffices(plan.max_unsynced) {
            return Some(Waiting::Proxies(proof));
        }
        seen.totals.is_none().then_some(Waiting::Telemetry)
    }

    /// Who of the live proxies holds the decision, if that is known.
    pub(super) fn proof(&self, seen: &Seen) -> Option<Proof> {
        seen.proxies.as_ref().map(|live| live.prove(|acked| *acked >= self.decided.number))
    }

    /// Notes what all live proxies have acknowledged.
    pub(super) fn acknowledge(&mut self, seen: &Seen) {
        if !self.proof(seen).is_some_and(|proof| proof.suffices(0)) {
            return;
        }
        self.observed = self.decided.weight();
        let out = match &self.phase {
            Phase::Idle
            | Phase::Withdrawn { .. }
            | Phase::Halted { .. }
            | Phase::Reverting { .. } => self.observed.is_none(),
            Phase::Progressing { .. } | Phase::Promoting { .. } | Phase::Completed => false,
        };
        if let Some(rollback) = self.rollback.as_mut().filter(|_| out) {
            rollback.zero_at.get_or_insert(seen.now);
        }
    }

    /// Whether exactly this weight is decided for the canary.
    pub(super) fn holds(&self, canary: &Revision, weight: Weight) -> bool {
        self.decided.share_of(canary) == Some(Share::Weighted(weight))
    }
}

impl Decided {
    /// What is decided for the revision, if it is on trial.
    #[must_use]
    pub fn share_of(&self, canary: &Revision) -> Option<Share> {
        self.split.as_ref().filter(|split| split.canary == *canary).map(|split| split.share)
    }

    /// What the revision on trial gets: all that its pods can take, once they have joined the
    /// others.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match &self.split {
            Some(Division { share: Share::Weighted(weight), .. }) => *weight,
            Some(Division { share: Share::Joined, .. }) => Weight::ALL,
            None => Weight::NONE,
        }
    }

    pub(super) fn weight_of(&self, canary: &Revision) -> Weight {
        self.share_of(canary).map_or(Weight::NONE, |_| self.weight())
    }
}

impl Phase {
    const fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Progressing { run, .. }
            | Self::Promoting { run, .. }
            | Self::Withdrawn { run, .. }
            | Self::Halted { run, .. }
            | Self::Reverting { run } => Some(run),
            Self::Idle | Self::Completed => None,
        }
    }
}

/// How much of traffic may reach the canary, in an order.
fn exposure(share: Share) -> u32 {
    match share {
        Share::Weighted(weight) => u32::from(weight.basis_points()),
        Share::Joined => u32::from(Weight::ALL.basis_points()) + 1,
    }
}
