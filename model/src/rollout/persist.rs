//! A rollout as it is written down, so that another process can go on with it.

use serde::{Deserialize, Serialize};

use super::{
    Cause, Decided, Division, Phase, Progress, Reason, Release, Rollback, Rollout, Run, Stage,
    Trust,
};
use crate::{moment::Moment, revision::Revision, service::Share, weight::Weight};

/// A rollout's state in plain fields: `status.record`. Everything that a takeover needs is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Persisted {
    /// The name of the phase.
    pub phase: PhaseName,
    /// The revisions that are trusted, and whose they are.
    pub trust: Trust,
    /// The revision that was last found good.
    pub stable: Option<Revision>,
    /// The number of the last decision.
    pub decision: u64,
    /// The revision it is about; none if nothing is divided.
    pub split: Option<Revision>,
    /// Its weight.
    pub weight: Weight,
    /// Whether its pods join the others instead of having a weight.
    pub joined: bool,
    /// What it gets at most, as every live proxy acknowledged it.
    pub observed: Weight,
    /// The release under way.
    pub run: Option<Run>,
    /// How far its steps are.
    pub progress: Option<Progress>,
    /// How far its promotion is.
    pub stage: Option<Stage>,
    /// Why it is let in.
    pub cause: Option<Cause>,
    /// Why it was withdrawn.
    pub reason: Option<Reason>,
    /// The last release that was withdrawn.
    pub rollback: Option<Rollback>,
    /// The last releases, newest first.
    pub history: Vec<Release>,
    /// Since when pods that should serve beside the canary do not.
    pub dark_since: Option<Moment>,
}

/// The names of the phases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum PhaseName {
    /// [`super::Phase::Idle`]
    #[default]
    Idle,
    /// [`super::Phase::Progressing`]
    Progressing,
    /// [`super::Phase::Promoting`]
    Promoting,
    /// [`super::Phase::Completed`]
    Completed,
    /// [`super::Phase::Withdrawn`]
    Withdrawn,
    /// [`super::Phase::Halted`]
    Halted,
    /// [`super::Phase::Reverting`]
    Reverting,
}

/// Why a record cannot be gone on with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the record is of phase {phase:?} and lacks its {part}")]
pub struct Incomplete {
    /// The phase.
    pub phase: PhaseName,
    /// What is missing.
    pub part: &'static str,
}

impl From<&Rollout> for Persisted {
    fn from(rollout: &Rollout) -> Self {
        let Rollout { trust, stable, decided, observed, phase, rollback, history, dark_since } =
            rollout;
        let share = decided.split.as_ref().map(|split| split.share);
        let weight = match share {
            Some(Share::Weighted(weight)) => weight,
            Some(Share::Joined) | None => Weight::NONE,
        };
        let kept = Self {
            trust: trust.clone(),
            stable: stable.clone(),
            decision: decided.number,
            split: decided.split.as_ref().map(|split| split.canary.clone()),
            weight,
            joined: share == Some(Share::Joined),
            observed: *observed,
            run: phase.run().cloned(),
            rollback: rollback.clone(),
            history: history.clone(),
            dark_since: *dark_since,
            ..Self::default()
        };
        match phase.clone() {
            Phase::Idle => Self { phase: PhaseName::Idle, ..kept },
            Phase::Progressing { run: _, progress } => {
                Self { phase: PhaseName::Progressing, progress: Some(progress), ..kept }
            }
            Phase::Promoting { run: _, stage, cause } => {
                Self { phase: PhaseName::Promoting, stage: Some(stage), cause: Some(cause), ..kept }
            }
            Phase::Completed => Self { phase: PhaseName::Completed, ..kept },
            Phase::Withdrawn { run: _, reason } => {
                Self { phase: PhaseName::Withdrawn, reason: Some(reason), ..kept }
            }
            Phase::Halted { run: _, reason } => {
                Self { phase: PhaseName::Halted, reason: Some(reason), ..kept }
            }
            Phase::Reverting { run: _ } => Self { phase: PhaseName::Reverting, ..kept },
        }
    }
}

impl TryFrom<Persisted> for Rollout {
    type Error = Incomplete;

    /// Goes on with what was written down.
    ///
    /// # Errors
    /// If a part is missing that the phase needs: somebody else wrote it. Begin anew then; numbers
    /// that are heard see to it that nothing goes back.
    fn try_from(kept: Persisted) -> Result<Self, Incomplete> {
        let share = if kept.joined { Share::Joined } else { Share::Weighted(kept.weight) };
        let split = kept.split.clone().map(|canary| Division { canary, share });
        Ok(Self {
            phase: kept.phase()?,
            trust: kept.trust,
            stable: kept.stable,
            decided: Decided { number: kept.decision, split },
            observed: kept.observed,
            rollback: kept.rollback,
            history: kept.history,
            dark_since: kept.dark_since,
        })
    }
}

impl Persisted {
    fn phase(&self) -> Result<Phase, Incomplete> {
        let run = || self.part("run", self.run.clone());
        let reason = || self.part("reason", self.reason.clone());
        Ok(match self.phase {
            PhaseName::Idle => Phase::Idle,
            PhaseName::Completed => Phase::Completed,
            PhaseName::Progressing => {
                Phase::Progressing { run: run()?, progress: self.part("progress", self.progress)? }
            }
            PhaseName::Promoting => Phase::Promoting {
                run: run()?,
                stage: self.part("stage", self.stage)?,
                cause: self.part("cause", self.cause)?,
            },
            PhaseName::Withdrawn => Phase::Withdrawn { run: run()?, reason: reason()? },
            PhaseName::Halted => Phase::Halted { run: run()?, reason: reason()? },
            PhaseName::Reverting => Phase::Reverting { run: run()? },
        })
    }

    fn part<T>(&self, part: &'static str, value: Option<T>) -> Result<T, Incomplete> {
        value.ok_or(Incomplete { phase: self.phase, part })
    }
}
