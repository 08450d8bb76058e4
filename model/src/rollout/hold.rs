//! What a state asks the caller to hold, as levels: made so again at every turn, whatever was lost
//! before.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Decided, Phase, Plan, Reason, Rollout, Run, Seen, Stage, Target, Trust, Unfit, Waiting,
    guard::{Capacity, FLAP},
    reason::Transition,
};
use crate::{
    acks::Proof, moment::Moment, revision::Revision, rows::Counts, verdict::Verdict, weight::Weight,
};

/// What is to be held.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// What every control replica is told. A change that takes traffic away is sent before it is
    /// recorded, any other after.
    pub decided: Decided,
    /// What the webhook and the admission policy are to trust.
    pub trust: Trust,
    /// Whose gates are to be open.
    pub gates: Gates,
    /// The word for where it stands.
    pub standing: Standing,
    /// The step under way, counted from 0, and how many there are.
    pub step: Option<(u32, u32)>,
    /// What the canary is to get.
    pub desired: Weight,
    /// What it gets at most, as every live proxy acknowledged it.
    pub observed: Weight,
    /// The revision on trial.
    pub canary: Option<Revision>,
    /// How many live proxies hold the decision. Absent while that is not known.
    pub proxies: Option<Proof>,
    /// What was counted, and what it says.
    pub checks: Option<Checks>,
    /// Why it does not go on, if it waits for something.
    pub waiting: Option<Waiting>,
    /// When the next turn is due though nothing is seen to change.
    pub again_at: Option<Moment>,
    /// What happened in this turn.
    pub transition: Option<Transition>,
}

/// Whose gates are to be open. A gate that was opened is never shut again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gates {
    /// Those of all revisions.
    All,
    /// Those of these revisions.
    Only(BTreeSet<Revision>),
}

/// What was counted, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// The verdict.
    pub verdict: Verdict,
    /// The canary's attempts in this step.
    pub canary: Counts,
    /// Everybody else's in this step.
    pub base: Counts,
}

/// Where a rollout stands, in a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing is on trial.
    Idle,
    /// A release goes through its steps.
    Progressing,
    /// A step waits for a person.
    Paused,
    /// `spec.suspend` keeps a release where it is.
    Suspended,
    /// A release replaces the others.
    Promoting,
    /// The last release serves alone.
    Completed,
    /// The release was withdrawn because it failed.
    Failed,
    /// The release was withdrawn because somebody said so.
    Aborted,
    /// The release failed while it replaced the others.
    Halted,
    /// The release's pods are leaving.
    Reverting,
}

impl Standing {
    /// Its name in status.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Suspended => "Suspended",
            Self::Promoting => "Promoting",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
            Self::Halted => "Halted",
            Self::Reverting => "Reverting",
        }
    }
}

impl Rollout {
    /// What this state asks for.
    pub(super) fn hold(&self, plan: &Plan, seen: &Seen, transition: Option<Transition>) -> Hold {
        let run = self.phase.run();
        Hold {
            decided: self.decided.clone(),
            trust: self.trust.clone(),
            gates: self.gates(seen),
            standing: self.standing(plan, seen),
            step: self.step(plan),
            desired: self.decided.weight(),
            observed: self.observed,
            canary: run.map(|run| run.canary.clone()),
            proxies: self.proof(seen),
            checks: run.map(|run| self.checks(plan, seen, run)),
            waiting: self.waiting(plan, seen),
            again_at: self.again_at(plan, seen),
            transition,
        }
    }

    fn gates(&self, seen: &Seen) -> Gates {
        match seen.target {
            Target::Present(_) => {}
            // The older rollout holds them, and only it may let them go.
            Target::Unfit(Unfit::SharedTarget) => return Gates::Only(BTreeSet::new()),
            Target::Missing | Target::Unfit(_) => return Gates::All,
        }
        if self.trust.revisions.is_empty() {
            return Gates::All;
        }
        let Some(run) = self.phase.run() else { return Gates::Only(self.trust.revisions.clone()) };
        let capacity = self.capacity(seen, &run.canary);
        let (dark_for, patience) = (self.dark_for(seen), self.phase.patience());
        let guard = capacity.and_then(|capacity| capacity.guard(dark_for, patience));
        if guard.is_some() {
            return Gates::All;
        }
        let mut open = self.trust.revisions.clone();
        if let Phase::Promoting { stage: Stage::Joining | Stage::Trusting, .. } = self.phase {
            open.remove(&run.canary);
        }
        Gates::Only(open)
    }

    fn standing(&self, plan: &Plan, seen: &Seen) -> Standing {
        match &self.phase {
            Phase::Idle => Standing::Idle,
            Phase::Completed => Standing::Completed,
            Phase::Progressing { .. } if seen.suspend => Standing::Suspended,
            Phase::Progressing { .. } => match self.waiting(plan, seen) {
                Some(Waiting::Approval { .. }) => Standing::Paused,
                _ => Standing::Progressing,
            },
            Phase::Promoting { .. } => Standing::Promoting,
            Phase::Withdrawn { reason: Reason::Aborted, .. } => Standing::Aborted,
            Phase::Withdrawn { .. } => Standing::Failed,
            Phase::Halted { .. } => Standing::Halted,
            Phase::Reverting { .. } => Standing::Reverting,
        }
    }

    fn step(&self, plan: &Plan) -> Option<(u32, u32)> {
        match &self.phase {
            Phase::Progressing { progress, .. } => {
                let of = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
                Some((progress.step, of))
            }
            Phase::Idle
            | Phase::Completed
            | Phase::Promoting { .. }
            | Phase::Withdrawn { .. }
            | Phase::Halted { .. }
            | Phase::Reverting { .. } => None,
        }
    }

    fn checks(&self, plan: &Plan, seen: &Seen, run: &Run) -> Checks {
        let counted = run.meter.in_step();
        let verdict = match &self.phase {
            Phase::Withdrawn { reason: Reason::Breach(breach), .. }
            | Phase::Halted { reason: Reason::Breach(breach), .. } => Verdict::Breach(*breach),
            _ => self.verdict(plan, seen, run),
        };
        Checks { verdict, canary: counted.canary, base: counted.base }
    }

    fn waiting(&self, plan: &Plan, seen: &Seen) -> Option<Waiting> {
        match &seen.target {
            Target::Missing => return Some(Waiting::Target),
            Target::Unfit(unfit) => return Some(Waiting::FitTarget(unfit.clone())),
            Target::Present(_) => {}
        }
        let capacity = |run: &Run| self.capacity(seen, &run.canary);
        match &self.phase {
            Phase::Idle | Phase::Completed => {
                self.trust.revisions.is_empty().then_some(Waiting::StablePod)
            }
            Phase::Progressing { run, progress } => {
                self.step_waits(plan, seen, &capacity(run)?, run, *progress)
            }
            Phase::Promoting { stage: Stage::Joining, .. } => {
                let unknown = self.raise_waits(plan, seen);
                unknown.or_else(|| seen.stays()).or(Some(Waiting::Record))
            }
            Phase::Promoting { stage: Stage::Trusting, .. } => Some(Waiting::Record),
            Phase::Promoting { run, stage: Stage::Opening, .. } => {
                let Capacity { canary, replicas, .. } = capacity(run)?;
                Some(Waiting::Pods { serving: canary.serving, wanted: replicas })
            }
            Phase::Withdrawn { .. } | Phase::Halted { .. } => Some(Waiting::Fix),
            Phase::Reverting { run } => {
                Some(Waiting::Leaving { left: capacity(run)?.canary.existing })
            }
        }
    }

    /// When something is due that no change of what is seen would announce.
    fn again_at(&self, plan: &Plan, seen: &Seen) -> Option<Moment> {
        let run = self.phase.run()?;
        let step = match &self.phase {
            Phase::Progressing { progress, .. } => progress
                .reached
                .and_then(|reached| Some(reached.plus(plan.step(progress.step)?.hold))),
            _ => None,
        };
        let after = |since: Option<Moment>, span: Duration| since.map(|since| since.plus(span));
        let deadline = plan.progress_deadline.map(|span| match run.served_since {
            Some(since) => since.plus(span),
            None => run.started.plus(span.saturating_add(run.excused)),
        });
        [
            step,
            after(run.unhealthy_since, FLAP),
            after(self.dark_since, self.phase.patience()),
            deadline,
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > seen.now)
        .min()
    }

    fn capacity(&self, seen: &Seen, canary: &Revision) -> Option<Capacity> {
        match &seen.target {
            Target::Present(workload) => Some(Capacity::of(workload, &self.trust, canary)),
            Target::Missing | Target::Unfit(_) => None,
        }
    }
}
