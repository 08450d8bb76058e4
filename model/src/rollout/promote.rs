//! Promotion and its ends: what becomes of a release once its steps are over, or it failed.

use super::{
    Cause, Event, Outcome, Phase, Reason, Run, Stage,
    decide::Aim,
    guard::{Capacity, DARK_WITHDRAWN},
    turn::Turn,
};
use crate::{service::Share, weight::Weight};

impl Turn<'_> {
    /// The release replaces the others: its pods join them, its revision is trusted, its gates are
    /// opened, in this order. Kubernetes does the rest.
    pub(super) fn promote(&mut self, mut run: Run, stage: Stage, cause: Cause) -> Phase {
        if let Some(phase) = self.another_is_wanted(&run, false) {
            return phase;
        }
        let opened = stage == Stage::Opening;
        let guard = self.guard(&run.canary).filter(|_| !opened);
        if let Some(cause) = guard {
            return self.open_by_guard(run, cause);
        }
        self.watch(&mut run);
        if opened && self.capacity(&run.canary).is_replaced() {
            return self.complete(&run);
        }
        if self.seen.abort {
            return self.withdraw(run, Reason::Aborted, opened);
        }
        self.excuse(&mut run, false);
        self.note_served(&mut run, opened);
        let reason = self.fault(&run).or_else(|| self.stuck(&run, stage, cause));
        if let Some(reason) = reason.filter(|_| cause.is_judged()) {
            return self.withdraw(run, reason, opened);
        }
        let stage = self.stage(&run, stage);
        Phase::Promoting { run, stage, cause }
    }

    /// Notes when more pods of the release serve than ever before. A person who suspends it stops
    /// this clock, and so does the last pod that is wanted: should one fail later, it has all its
    /// time. Where fewer pods are wanted than have served, counting begins anew.
    fn note_served(&self, run: &mut Run, opened: bool) {
        let Capacity { canary, replicas, .. } = self.capacity(&run.canary);
        let scaled_down = run.served > replicas;
        if !opened || self.seen.suspend || canary.serving >= replicas {
            run.served_since = None;
        } else if canary.serving > run.served || scaled_down || run.served_since.is_none() {
            run.served_since = Some(self.seen.now);
        }
        run.served = match (opened, scaled_down) {
            (false, _) => 0,
            (true, true) => canary.serving,
            (true, false) => run.served.max(canary.serving),
        };
    }

    /// Whether the promotion takes too long. Until the first gate is opened it is part of the
    /// release's own time, and going back costs nothing. After that Kubernetes has as long again
    /// for each pod more, if others are there to go back to.
    fn stuck(&self, run: &Run, stage: Stage, cause: Cause) -> Option<Reason> {
        let late = match stage {
            Stage::Joining | Stage::Trusting => self.is_late(run),
            Stage::Opening => {
                let Capacity { canary, replicas, .. } = self.capacity(&run.canary);
                let waited = run.served_since.map(|since| self.seen.now.since(since));
                cause == Cause::Passed
                    && canary.serving < replicas
                    && waited.zip(self.plan.progress_deadline).is_some_and(|(w, most)| w >= most)
            }
        };
        late.then_some(Reason::PromotionStuck { stage })
    }

    fn stage(&mut self, run: &Run, stage: Stage) -> Stage {
        match stage {
            Stage::Joining if self.has_joined(run) => {
                self.rollout.trust.revisions.insert(run.canary.clone());
                self.tell(Event::ReleaseTrusted, format!("{} is trusted", run.canary));
                Stage::Trusting
            }
            Stage::Trusting if self.seen.recorded => {
                self.tell(Event::GatesOpening, format!("the gates of {} are opened", run.canary));
                Stage::Opening
            }
            stage @ (Stage::Joining | Stage::Trusting | Stage::Opening) => stage,
        }
    }

    /// Whether all proxies count the canary's pods among the others. Where nothing was ever
    /// divided, they do.
    fn has_joined(&self, run: &Run) -> bool {
        if self.seen.stays().is_some() {
            return false;
        }
        match &self.rollout.decided.split {
            None => self.seen.recorded,
            Some(_) => {
                self.rollout.decided.share_of(&run.canary) == Some(Share::Joined)
                    && self.rollout.raise_waits(self.plan, self.seen).is_none()
            }
        }
    }

    fn complete(&mut self, run: &Run) -> Phase {
        self.rollout.trust.revisions.retain(|revision| *revision == run.canary);
        self.rollout.stable = Some(run.canary.clone());
        self.rollout.remember(run, Outcome::Completed, self.seen.now);
        self.tell(Event::ReleaseCompleted, format!("{} serves alone", run.canary));
        Phase::Completed
    }

    /// The release gets nothing. Should its pods come to serve all the same, or nobody else can, it
    /// gets what the others cannot carry.
    pub(super) fn withdrawn(&mut self, run: Run, reason: Reason) -> Phase {
        if let Some(phase) = self.another_is_wanted(&run, true) {
            return phase;
        }
        if let Some(cause) = self.guard_after(&run.canary, DARK_WITHDRAWN) {
            let why = cause.sentence();
            let sentence = format!("{} failed, and yet is let in: {why}", run.canary);
            self.tell(Event::GuardOpened, sentence);
            return self.halt(run, reason);
        }
        if self.capacity(&run.canary).canary.serving > 0 {
            let why = reason.sentence();
            self.tell(Event::ReleaseHalted, self.halt_sentence(&run.canary, &why));
            return self.halt(run, reason);
        }
        Phase::Withdrawn { run, reason }
    }

    /// The release stays as far in as it is. Where it alone serves, users rely on it, for better or
    /// worse: it is trusted as anybody who serves is where nobody else does, so that the next
    /// template is tried. What was good before is trusted beside it, so that going back is not a
    /// trial. Where nobody serves at all, nobody is kept out.
    pub(super) fn halt(&mut self, run: Run, reason: Reason) -> Phase {
        let Capacity { canary, serving, wanted, .. } = self.capacity(&run.canary);
        let alone = canary.serving > 0 && serving == 0 && wanted == 0;
        if alone {
            let good = self.rollout.stable.iter().chain([&run.canary]);
            self.rollout.trust.revisions.extend(good.cloned());
        } else {
            self.rollout.trust.revisions.remove(&run.canary);
            self.trust_somebody(Some(&run.canary));
        }
        Phase::Halted { run, reason }
    }

    /// The release failed too late: it gets what the others cannot carry until a person acts.
    pub(super) fn halted(&mut self, run: Run, reason: Reason) -> Phase {
        if let Some(phase) = self.another_is_wanted(&run, true) {
            return phase;
        }
        if self.plan.skip_analysis && !self.seen.abort {
            let sentence =
                format!("{} is let in: {}", run.canary, Cause::AnalysisSkipped.sentence());
            self.tell(Event::ReleasePassed, sentence);
            return Phase::Promoting { run, stage: Stage::Joining, cause: Cause::AnalysisSkipped };
        }
        self.halt(run, reason)
    }

    /// A trusted revision is wanted: the canary's pods leave.
    pub(super) fn revert(&mut self, run: Run) -> Phase {
        let wanted = &self.workload.wanted;
        if !self.rollout.trust.revisions.contains(wanted) {
            return self.start(Event::ReleaseStarted);
        }
        if self.capacity(&run.canary).canary.existing > 0 {
            return Phase::Reverting { run };
        }
        self.rollout.stable = Some(wanted.clone());
        self.tell(Event::RevertCompleted, format!("the pods of {} are gone", run.canary));
        Phase::Idle
    }

    /// What traffic the phase aims at.
    pub(super) fn aim(&self, phase: &Phase) -> Aim {
        let Some(run) = phase.run() else { return Aim::Undivided };
        let capacity = self.capacity(&run.canary);
        let (canary, guarded) = (run.canary.clone(), self.guard(&run.canary).is_some());
        let least = capacity.burden();
        let (most, forced) = match phase {
            Phase::Idle | Phase::Completed => return Aim::Undivided,
            Phase::Progressing { progress, .. } => {
                (Share::Weighted(self.plan.aim(*progress, &capacity)), false)
            }
            Phase::Promoting { .. } if self.rollout.decided.split.is_none() && !guarded => {
                return Aim::Undivided;
            }
            Phase::Promoting { .. } => (Share::Joined, guarded),
            Phase::Withdrawn { .. } => (Share::Weighted(Weight::NONE), false),
            Phase::Halted { .. } if guarded => (Share::Weighted(Weight::ALL), true),
            Phase::Halted { .. } | Phase::Reverting { .. } => (Share::Weighted(least), guarded),
        };
        Aim::Divided { canary, least, most, forced }
    }
}
