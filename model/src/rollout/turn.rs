//! One turn: the phase that follows, given what is seen.

use std::{mem, time::Duration};

use super::{
    Decided, Event, Hold, Outcome, Phase, Plan, Pods, Progress, Reason, Release, Rollback, Rollout,
    Run, Seen, Stage, Strategy, Target, Transition, Trust, Unfit, Workload,
    guard::{Capacity, DARK},
    meter::Meter,
    reason::Cause,
};
use crate::{moment::Moment, revision::Revision};

/// A turn under way. The phase is taken out of the rollout and handed from function to function by
/// value.
pub(super) struct Turn<'a> {
    pub(super) rollout: Rollout,
    pub(super) plan: &'a Plan,
    pub(super) seen: &'a Seen,
    pub(super) workload: &'a Workload,
    pub(super) event: Option<Transition>,
}

impl Rollout {
    /// The state that follows, and what is to be held in it.
    #[must_use]
    pub fn next(self, plan: &Plan, seen: &Seen) -> (Self, Hold) {
        match &seen.target {
            Target::Missing => {
                let why = "the target is gone: nothing is held";
                self.rest(plan, seen, Event::TargetLost, why)
            }
            Target::Unfit(unfit) => self.rest(plan, seen, Event::TargetUnfit, &unfit.sentence()),
            Target::Present(workload) => {
                if let Some(unfit) = self.unfit(workload, seen) {
                    return self.next(plan, &Seen { target: Target::Unfit(unfit), ..seen.clone() });
                }
                let mut turn = Turn { rollout: self, plan, seen, workload, event: None };
                turn.take();
                let Turn { rollout, event, .. } = turn;
                let hold = rollout.hold(plan, seen, event);
                (rollout, hold)
            }
        }
    }

    /// Why nothing is held for the workload, if so. With `Recreate` a gate that is held is an
    /// outage; a service that is shared is no reason to let in whom one keeps out.
    fn unfit(&self, workload: &Workload, seen: &Seen) -> Option<Unfit> {
        if workload.strategy == Strategy::Recreate {
            return Some(Unfit::Recreate);
        }
        let service = seen.shared.clone().filter(|_| !self.keeps_out(workload))?;
        Some(Unfit::SharedService { service })
    }

    /// Whether there is a revision that is kept out, or is about to be.
    fn keeps_out(&self, workload: &Workload) -> bool {
        let trusted = &self.trust.revisions;
        let gated =
            |(revision, pods): (&Revision, &Pods)| pods.gated > 0 && !trusted.contains(revision);
        match self.phase {
            Phase::Idle | Phase::Completed => {
                let new = !trusted.is_empty() && !trusted.contains(&workload.wanted);
                new || workload.revisions.iter().any(gated)
            }
            Phase::Progressing { .. }
            | Phase::Promoting { .. }
            | Phase::Withdrawn { .. }
            | Phase::Halted { .. }
            | Phase::Reverting { .. } => true,
        }
    }

    /// Holds nothing: there is no workload, or none that can have a rollout.
    fn rest(mut self, plan: &Plan, seen: &Seen, event: Event, why: &str) -> (Self, Hold) {
        let known = self.trust != Trust::default() || self.phase != Phase::Idle;
        let event = known.then(|| Transition { event, sentence: why.to_owned() });
        self.forget(seen.now);
        if self.decided.split.take().is_some() || seen.heard > self.decided.number {
            self.decided.number = self.decided.above(seen);
        }
        self.acknowledge(seen);
        let hold = self.hold(plan, seen, event);
        (self, hold)
    }

    /// Forgets everything about a workload that is gone, but what was decided and how releases
    /// ended.
    fn forget(&mut self, now: Moment) {
        match mem::take(&mut self.phase) {
            Phase::Progressing { run, .. } | Phase::Promoting { run, .. } => {
                self.remember(&run, Outcome::Lost, now);
            }
            Phase::Idle
            | Phase::Completed
            | Phase::Withdrawn { .. }
            | Phase::Halted { .. }
            | Phase::Reverting { .. } => {}
        }
        self.trust = Trust::default();
        self.stable = None;
        self.dark_since = None;
    }

    /// For how long nobody has served beside the canary.
    pub(super) fn dark_for(&self, seen: &Seen) -> Option<Duration> {
        self.dark_since.map(|since| seen.now.since(since))
    }

    /// Writes down how a release ended.
    pub(super) fn remember(&mut self, run: &Run, outcome: Outcome, ended: Moment) {
        let (revision, started) = (run.canary.clone(), run.started);
        let counted = run.meter.in_run().canary;
        self.history.insert(0, Release { revision, outcome, started, ended, counted });
        self.history.truncate(Self::REMEMBERED);
    }
}

impl Decided {
    /// A number above all that is known of.
    pub(super) fn above(&self, seen: &Seen) -> u64 {
        self.number.max(seen.heard).saturating_add(1).max(seen.now.as_millis())
    }
}

impl Turn<'_> {
    fn take(&mut self) {
        if self.rollout.trust.owner.as_ref() != Some(&self.workload.owner) {
            self.meet();
        }
        let phase = mem::take(&mut self.rollout.phase);
        self.keep_trust(&phase);
        self.watch_the_others(&phase);
        let phase = match phase {
            Phase::Idle => self.rested(Phase::Idle),
            Phase::Completed => self.rested(Phase::Completed),
            Phase::Progressing { run, progress } => self.progress(run, progress),
            Phase::Promoting { run, stage, cause } => self.promote(run, stage, cause),
            Phase::Withdrawn { run, reason } => self.withdrawn(run, reason),
            Phase::Halted { run, reason } => self.halted(run, reason),
            Phase::Reverting { run } => self.revert(run),
        };
        self.rollout.phase = phase;
        self.decide();
        self.rollout.acknowledge(self.seen);
    }

    /// Meets a workload for the first time: a former one of the same name is another one.
    fn meet(&mut self) {
        if self.rollout.trust.owner.is_some() {
            self.rollout.forget(self.seen.now);
            self.tell(Event::TargetReplaced, "the target was made anew".to_owned());
        }
        self.rollout.trust.owner = Some(self.workload.owner.clone());
    }

    /// Trusts every once-stable revision that still has pods, and none that has not, unless it is
    /// wanted.
    fn keep_trust(&mut self, phase: &Phase) {
        let wanted = &self.workload.wanted;
        self.rollout.trust.revisions.retain(|revision| {
            let pods = self.workload.pods(revision);
            revision == wanted || pods.wanted > 0 || pods.existing > 0
        });
        let on_trial = phase.run().map(|run| &run.canary).filter(|canary| *canary == wanted);
        if let Some(oldest) = self.trust_somebody(on_trial) {
            self.tell(Event::StableRecorded, format!("{oldest} serves and is trusted from now on"));
        }
    }

    /// If nobody is trusted, trusts the oldest revision that serves, apart from the one on trial:
    /// that is the one that users rely on.
    pub(super) fn trust_somebody(&mut self, on_trial: Option<&Revision>) -> Option<Revision> {
        if !self.rollout.trust.revisions.is_empty() {
            return None;
        }
        let serves =
            |(other, pods): &(&Revision, &Pods)| pods.serving > 0 && Some(*other) != on_trial;
        let serving = self.workload.revisions.iter().filter(serves);
        let (oldest, _) = serving.min_by_key(|(revision, pods)| (pods.made, *revision))?;
        self.rollout.trust.revisions.insert(oldest.clone());
        self.rollout.stable = Some(oldest.clone());
        Some(oldest.clone())
    }

    /// Remembers since when nobody serves beside the canary.
    fn watch_the_others(&mut self, phase: &Phase) {
        let canary = phase.run().map_or(&self.workload.wanted, |run| &run.canary);
        let trusted = self.rollout.trust.revisions.contains(canary);
        let on_trial = phase.run().is_some() || !trusted;
        let dark = on_trial && self.capacity(canary).is_dark();
        let since = self.rollout.dark_since.unwrap_or(self.seen.now);
        self.rollout.dark_since = dark.then_some(since);
    }

    /// Nothing is on trial: begins a release if an untrusted revision is wanted.
    fn rested(&mut self, phase: Phase) -> Phase {
        let wanted = &self.workload.wanted;
        if self.rollout.trust.revisions.is_empty() {
            if phase != Phase::Idle {
                let sentence = "no trusted revision has pods left: gates are off until one serves";
                self.tell(Event::TrustLost, sentence.to_owned());
            }
            return Phase::Idle;
        }
        if !self.rollout.trust.revisions.contains(wanted) {
            return self.start(Event::ReleaseStarted);
        }
        if self.workload.pods(wanted).serving > 0 {
            self.rollout.stable = Some(wanted.clone());
        }
        phase
    }

    /// Begins the release of the wanted revision.
    pub(super) fn start(&mut self, event: Event) -> Phase {
        let canary = self.workload.wanted.clone();
        let run = Run {
            crashes_before: self.workload.pods(&canary).crashes,
            started: self.seen.now,
            was_healthy: false,
            unhealthy_since: None,
            blind_since: None,
            paused_since: None,
            excused: Duration::ZERO,
            served: 0,
            served_since: None,
            meter: Meter::default(),
            canary,
        };
        if let Some(cause) = self.guard(&run.canary) {
            return self.open_by_guard(run, cause);
        }
        self.tell(event, format!("{} is on trial", run.canary));
        let at_once = |cause| Phase::Promoting { run: run.clone(), stage: Stage::Joining, cause };
        if self.plan.skip_analysis {
            return at_once(Cause::AnalysisSkipped);
        }
        if self.workload.restart_only && !self.plan.restarts_are_releases {
            return at_once(Cause::RestartOnly);
        }
        let progress = Progress { step: 0, since: self.seen.now, reached: None };
        Phase::Progressing { run, progress }
    }

    /// Whether the template changed under a release, and what follows if it did.
    pub(super) fn another_is_wanted(&mut self, run: &Run, ended: bool) -> Option<Phase> {
        let wanted = &self.workload.wanted;
        if *wanted == run.canary {
            return None;
        }
        self.rollout.trust.revisions.remove(&run.canary);
        let reverted = self.rollout.trust.revisions.contains(wanted);
        if !ended {
            let outcome = if reverted { Outcome::Reverted } else { Outcome::Superseded };
            self.rollout.remember(run, outcome, self.seen.now);
        }
        if reverted {
            self.tell(Event::RevertStarted, format!("{wanted} is wanted again"));
            return Some(Phase::Reverting { run: run.clone() });
        }
        self.trust_somebody(None);
        if self.rollout.trust.revisions.is_empty() || self.rollout.trust.revisions.contains(wanted)
        {
            let sentence = format!("{wanted} is wanted, and there is nothing to compare it with");
            self.tell(Event::ReleaseSuperseded, sentence);
            return Some(Phase::Idle);
        }
        Some(self.start(Event::ReleaseSuperseded))
    }

    /// Takes a release back: out of traffic if nothing of it serves yet, or else as far as the
    /// others can carry.
    pub(super) fn withdraw(&mut self, run: Run, reason: Reason, opened: bool) -> Phase {
        let (revision, at) = (run.canary.clone(), self.seen.now);
        let first_bad_at = run.meter.first_failure(run.started, at);
        let why = reason.sentence();
        self.rollout.trust.revisions.remove(&revision);
        self.trust_somebody(Some(&revision));
        self.rollout.rollback =
            Some(Rollback { revision, reason: reason.clone(), first_bad_at, at, zero_at: None });
        if opened || self.capacity(&run.canary).canary.serving > 0 {
            self.rollout.remember(&run, Outcome::Halted(reason.clone()), at);
            self.tell(Event::ReleaseHalted, self.halt_sentence(&run.canary, &why));
            return self.halt(run, reason);
        }
        self.rollout.remember(&run, Outcome::Withdrawn(reason.clone()), at);
        let event = match reason {
            Reason::Aborted => Event::ReleaseAborted,
            Reason::Breach(_)
            | Reason::Crashed { .. }
            | Reason::NotReady
            | Reason::DeadlineExceeded { .. }
            | Reason::PromotionStuck { .. }
            | Reason::MetricUnavailable => Event::ReleaseFailed,
        };
        self.tell(event, format!("{} was withdrawn: {why}", run.canary));
        Phase::Withdrawn { run, reason }
    }

    /// Opens all gates because nobody else could serve.
    pub(super) fn open_by_guard(&mut self, run: Run, cause: Cause) -> Phase {
        let why = cause.sentence();
        self.tell(Event::GuardOpened, format!("{} is let in untested: {why}", run.canary));
        self.rollout.trust.revisions.insert(run.canary.clone());
        Phase::Promoting { run, stage: Stage::Opening, cause }
    }

    pub(super) fn halt_sentence(&self, canary: &Revision, why: &str) -> String {
        let back = self.rollout.stable.as_ref().filter(|stable| *stable != canary);
        let undo = back.map_or_else(String::new, |stable| format!(" (back to {stable})"));
        format!(
            "{canary} failed after its pods had taken the place of others: {why}. \
             No more of them are let in; undo the change of the template{undo}"
        )
    }

    pub(super) fn capacity(&self, canary: &Revision) -> Capacity {
        Capacity::of(self.workload, &self.rollout.trust, canary)
    }

    /// Why the gates of a release that is on trial must not be held, if they must not.
    pub(super) fn guard(&self, canary: &Revision) -> Option<Cause> {
        self.guard_after(canary, DARK)
    }

    pub(super) fn guard_after(&self, canary: &Revision, patience: Duration) -> Option<Cause> {
        self.capacity(canary).guard(self.rollout.dark_for(self.seen), patience)
    }

    /// Notes what happened. The first word of a turn stands: it is the cause of the others.
    pub(super) fn tell(&mut self, event: Event, sentence: String) {
        self.event.get_or_insert(Transition { event, sentence });
    }
}

impl Phase {
    /// The release that the phase is about, if it is about one.
    #[must_use]
    pub const fn run(&self) -> Option<&Run> {
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
