//! One turn of a rotation.

use super::{Cause, Change, Drain, Hold, Phase, Plan, Rotation, Seen, Transition, Which};
use crate::moment::Moment;

impl Rotation {
    /// The state that follows, and what is to be held in it.
    #[must_use]
    pub fn next(mut self, plan: &Plan, seen: &Seen) -> (Self, Hold) {
        let trusted = self.phase.trusted();
        let (phase, mut transition) = self.step(plan, seen);
        if transition == Some(Transition::Started) && plan.is_requested(&self, seen) {
            self.handled = plan.requested_at;
        }
        self.phase = phase;
        let overtaken = seen.heard > self.decision;
        if overtaken || self.decision == 0 || self.phase.trusted() != trusted {
            self.decision =
                self.decision.max(seen.heard).saturating_add(1).max(seen.now.as_millis());
        }
        if overtaken && seen.heard > 0 {
            transition = transition.or(Some(Transition::Renumbered));
        }
        let due = self.phase == Phase::Idle && plan.cause(&self, seen).is_some();
        let hold = self.hold(due, seen, transition);
        (self, hold)
    }

    fn step(&self, plan: &Plan, seen: &Seen) -> (Phase, Option<Transition>) {
        let now = seen.now;
        let lost = seen.next.is_none();
        match self.phase {
            Phase::Idle => match plan.cause(self, seen).filter(|_| !lost) {
                Some(cause) => {
                    (Phase::TrustBoth(Change::begin(cause, now)), Some(Transition::Started))
                }
                None => (Phase::Idle, None),
            },
            Phase::Retired(change) if lost && seen.applied => {
                let done = match change.to {
                    Which::Next => Transition::Retired,
                    Which::Active => Transition::Restored,
                };
                (Phase::Idle, Some(done))
            }
            Phase::Retired(_) => (self.phase, None),
            Phase::TrustBoth(_) | Phase::Issuing(_) | Phase::Draining(..) if lost => {
                (Phase::Idle, Some(Transition::NextLost))
            }
            Phase::TrustBoth(change) | Phase::Issuing(change) | Phase::Draining(change, _)
                if change.to == Which::Next && plan.aborts(self, &change) =>
            {
                (change.back(now), Some(Transition::Aborted))
            }
            Phase::TrustBoth(change) => self.after(plan, seen, Transition::Trusted, || {
                Phase::Issuing(Change { signing: change.to, since: now, ..change })
            }),
            Phase::Issuing(change) => self.after(plan, seen, Transition::Issued, || {
                let change = Change { serving: change.to, since: now, ..change };
                Phase::Draining(change, Drain::Serving)
            }),
            Phase::Draining(change, Drain::Serving) => {
                self.after(plan, seen, Transition::Served, || {
                    Phase::Draining(Change { since: now, ..change }, Drain::Dropping)
                })
            }
            Phase::Draining(change, Drain::Dropping) => {
                self.after(plan, seen, Transition::Drained, || {
                    Phase::Retired(Change { since: now, ..change })
                })
            }
        }
    }

    /// The phase after this one, once everything is written and everybody has done what this one
    /// asks for.
    fn after(
        &self,
        plan: &Plan,
        seen: &Seen,
        transition: Transition,
        next: impl FnOnce() -> Phase,
    ) -> (Phase, Option<Transition>) {
        let known = seen.applied && seen.heard <= self.decision;
        let spared = match self.phase {
            Phase::Draining(_, Drain::Serving) => 0,
            _ => plan.max_unsynced,
        };
        let proven = self.proof(seen).is_some_and(|proof| proof.suffices(spared));
        if known && proven { (next(), Some(transition)) } else { (self.phase, None) }
    }
}

impl Change {
    const fn begin(cause: Cause, now: Moment) -> Self {
        let (signing, serving) = (Which::Active, Which::Active);
        Self { to: Which::Next, signing, serving, cause, began: now, since: now }
    }

    /// The way back. Where the next authority never signed, it is enough to stop trusting it.
    fn back(self, now: Moment) -> Phase {
        let change = Self { to: Which::Active, since: now, ..self };
        if self.signing == Which::Active && self.serving == Which::Active {
            return Phase::Draining(change, Drain::Dropping);
        }
        Phase::TrustBoth(change)
    }
}

impl Plan {
    /// Why the active root is to be replaced, if it is.
    fn cause(&self, rotation: &Rotation, seen: &Seen) -> Option<Cause> {
        if self.is_requested(rotation, seen) {
            return Some(Cause::Requested);
        }
        let before = self.before_expiry?;
        (seen.now.plus(before) >= seen.active_expires).then_some(Cause::Expiring)
    }

    /// Whether there is a request that was neither carried out nor taken back, and that means this
    /// root.
    fn is_requested(&self, rotation: &Rotation, seen: &Seen) -> bool {
        self.requested_at.is_some_and(|at| {
            at <= seen.now
                && at > rotation.handled.unwrap_or(seen.active_made)
                && self.abort_requested_at != Some(at)
        })
    }

    /// Whether the change under way is to be taken back: by the time of its request, or by any
    /// since it began.
    fn aborts(&self, rotation: &Rotation, change: &Change) -> bool {
        self.abort_requested_at.is_some_and(|at| match change.cause {
            Cause::Requested => Some(at) == rotation.handled || at >= change.began,
            Cause::Expiring => at >= change.began,
        })
    }
}
