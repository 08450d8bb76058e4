//! The steps of a release: what ends one, and what ends the release.

use super::{
    Cause, Event, Phase, Plan, Progress, Reason, Rollout, Run, Seen, Stage, Step, Waiting,
    guard::{Capacity, FLAP},
    plan::{OnMetricUnavailable, OnNoTraffic, Pause},
    turn::Turn,
};
use crate::{service::Share, verdict::Verdict, weight::Weight};

impl Turn<'_> {
    /// A release goes through its steps.
    pub(super) fn progress(&mut self, mut run: Run, mut progress: Progress) -> Phase {
        if let Some(phase) = self.another_is_wanted(&run, false) {
            return phase;
        }
        if self.seen.abort {
            return self.withdraw(run, Reason::Aborted, false);
        }
        if let Some(cause) = self.guard(&run.canary) {
            return self.open_by_guard(run, cause);
        }
        if self.plan.skip_analysis {
            return self.pass(run, Cause::AnalysisSkipped);
        }
        self.watch(&mut run);
        let pauses =
            progress.reached.is_some() && step_pauses(self.plan, self.seen, &run, progress);
        self.excuse(&mut run, pauses);
        if let Some(reason) = self.fault(&run).or_else(|| self.overdue(&run, progress)) {
            return self.withdraw(run, reason, false);
        }
        self.reach(&mut run, &mut progress);
        if self.waits(&run, progress).is_some() {
            return Phase::Progressing { run, progress };
        }
        self.advance(run, progress)
    }

    /// Takes in what was counted and how the pods are.
    pub(super) fn watch(&self, run: &mut Run) {
        let (now, canary) = (self.seen.now, self.capacity(&run.canary).canary);
        let weighted = self.rollout.decided.weight_of(&run.canary) > Weight::NONE;
        let live = weighted && canary.healthy > 0;
        match &self.seen.totals {
            Some(totals) => {
                run.blind_since = None;
                run.meter.count(now, totals, &run.canary, live);
            }
            None => run.blind_since = run.blind_since.or(Some(now)),
        }
        run.crashes_before = run.crashes_before.min(canary.crashes);
        run.was_healthy |= canary.healthy > 0;
        let dark = run.was_healthy && canary.healthy == 0;
        run.unhealthy_since = dark.then(|| run.unhealthy_since.unwrap_or(now));
    }

    /// What is wrong with the release, if something is.
    pub(super) fn fault(&self, run: &Run) -> Option<Reason> {
        let (now, canary) = (self.seen.now, self.capacity(&run.canary).canary);
        let crashes = canary.crashes - run.crashes_before;
        if crashes > 0 {
            return Some(Reason::Crashed { crashes });
        }
        if let Verdict::Breach(breach) = self.rollout.verdict(self.plan, self.seen, run) {
            return Some(Reason::Breach(breach));
        }
        if run.unhealthy_since.is_some_and(|since| now.since(since) >= FLAP) {
            return Some(Reason::NotReady);
        }
        match self.plan.on_metric_unavailable {
            OnMetricUnavailable::Hold => None,
            OnMetricUnavailable::Withdraw { after } => {
                let blind = run.blind_since.is_some_and(|since| now.since(since) >= after);
                blind.then_some(Reason::MetricUnavailable)
            }
        }
    }

    /// Stops the deadline's clock while a person, or a service that is shared, keeps the release
    /// where it is.
    pub(super) fn excuse(&self, run: &mut Run, pauses: bool) {
        let now = self.seen.now;
        if self.seen.stays().is_some() || pauses {
            run.paused_since.get_or_insert(now);
        } else if let Some(since) = run.paused_since.take() {
            run.excused = run.excused.saturating_add(now.since(since));
        }
    }

    fn overdue(&self, run: &Run, progress: Progress) -> Option<Reason> {
        self.is_late(run).then_some(Reason::DeadlineExceeded { step: progress.step })
    }

    /// Whether the release takes longer than it may until its gates are opened.
    pub(super) fn is_late(&self, run: &Run) -> bool {
        let Some(deadline) = self.plan.progress_deadline else { return false };
        let deadline = deadline.saturating_add(run.excused);
        run.paused_since.is_none() && self.seen.now.since(run.started) >= deadline
    }

    /// Notes when the proxies hold the step's weight, from when on its time counts.
    fn reach(&self, run: &mut Run, progress: &mut Progress) {
        let capacity = self.capacity(&run.canary);
        if capacity.canary.healthy == 0 {
            progress.reached = None;
        } else if progress.reached.is_none()
            && self.rollout.holds(&run.canary, self.plan.aim(*progress, &capacity))
            && self.rollout.raise_waits(self.plan, self.seen).is_none()
        {
            progress.reached = Some(self.seen.now);
            run.meter.mark_step();
        }
    }

    fn advance(&mut self, run: Run, progress: Progress) -> Phase {
        let next = progress.step.saturating_add(1);
        let Some(step) = self.plan.step(next) else { return self.pass(run, Cause::Passed) };
        let (of, weight) = (self.plan.steps.len(), step.weight);
        let sentence = format!("{}: step {} of {of}, {weight}", run.canary, next.saturating_add(1));
        self.tell(Event::StepStarted, sentence);
        let progress = Progress { step: next, since: self.seen.now, reached: None };
        Phase::Progressing { run, progress }
    }

    /// Lets the release in, in the order that promotion has.
    fn pass(&mut self, run: Run, cause: Cause) -> Phase {
        self.tell(Event::ReleasePassed, format!("{} is let in: {}", run.canary, cause.sentence()));
        Phase::Promoting { run, stage: Stage::Joining, cause }
    }

    fn waits(&self, run: &Run, progress: Progress) -> Option<Waiting> {
        self.rollout.step_waits(self.plan, self.seen, &self.capacity(&run.canary), run, progress)
    }
}

impl Plan {
    /// The step with this number, counted from 0.
    #[must_use]
    pub fn step(&self, number: u32) -> Option<&Step> {
        usize::try_from(number).ok().and_then(|at| self.steps.get(at))
    }

    /// What the canary is to get in the step: never more than its share of ready pods, never less
    /// than what the others cannot carry.
    pub(super) fn aim(&self, progress: Progress, capacity: &Capacity) -> Weight {
        let step = self.step(progress.step).map_or(Weight::NONE, |step| step.weight);
        step.min(capacity.fair_share()).max(capacity.burden())
    }
}

impl Rollout {
    /// How the release does under the decision that is held. Shares move by themselves once its
    /// pods have joined, so then only the ratio counts, unless the others fail alike.
    pub(super) fn verdict(&self, plan: &Plan, seen: &Seen, run: &Run) -> Verdict {
        let share = match self.decided.share_of(&run.canary) {
            Some(Share::Weighted(weight)) => weight,
            Some(Share::Joined) | None => Weight::ALL,
        };
        let sample = seen.totals.as_ref().map(|_| run.meter.sample(share));
        match sample {
            Some(_) if !run.meter.open => Verdict::NoTraffic,
            sample => Verdict::of(&plan.slo, sample.as_ref()),
        }
    }

    /// What a step waits for; nothing if it may end.
    pub(super) fn step_waits(
        &self,
        plan: &Plan,
        seen: &Seen,
        capacity: &Capacity,
        run: &Run,
        progress: Progress,
    ) -> Option<Waiting> {
        if capacity.canary.healthy == 0 {
            return Some(Waiting::CanaryPod);
        }
        let held = self.holds(&run.canary, plan.aim(progress, capacity));
        let pauses = || step_pauses(plan, seen, run, progress);
        self.raise_waits(plan, seen)
            .or_else(|| seen.stays())
            .or_else(|| (!held).then_some(Waiting::Record))
            .or_else(|| self.counts_wait(plan, seen, run, progress))
            .or_else(|| pauses().then_some(Waiting::Approval { step: progress.step }))
    }

    /// What a step's time and counts lack.
    fn counts_wait(
        &self,
        plan: &Plan,
        seen: &Seen,
        run: &Run,
        progress: Progress,
    ) -> Option<Waiting> {
        let step = plan.step(progress.step)?;
        let until = progress.reached.unwrap_or(seen.now).plus(step.hold);
        if seen.now < until {
            return Some(Waiting::Time { until });
        }
        if step.weight.is_none() {
            return None;
        }
        let had = run.meter.in_step().canary.attempts;
        if had == 0 && plan.on_no_traffic == OnNoTraffic::Advance {
            return None;
        }
        let needed = step.min_requests.max(plan.slo.min_requests).max(1);
        if had < needed {
            return Some(Waiting::Requests { had, needed });
        }
        match self.verdict(plan, seen, run) {
            Verdict::Pass | Verdict::NoTraffic => None,
            Verdict::Inconclusive | Verdict::Breach(_) => Some(Waiting::Evidence),
            Verdict::MetricUnavailable => Some(Waiting::Telemetry),
        }
    }
}

/// Whether the step waits for a person.
fn step_pauses(plan: &Plan, seen: &Seen, run: &Run, progress: Progress) -> bool {
    let pause = plan.step(progress.step).map_or(Pause::None, |step| step.pause);
    let approved = seen
        .approved
        .as_ref()
        .is_some_and(|approval| approval.canary == run.canary && approval.step >= progress.step);
    pause == Pause::UntilApproved && !approved
}
