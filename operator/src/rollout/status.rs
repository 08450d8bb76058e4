//! What a rollout's status says, given where it stands. Pure.

use std::sync::Arc;

use api::canary::{
    CanaryRolloutStatus, Checks, DecisionStatus, Release, Rollback, RolloutDisplay, RolloutProxies,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use model::{
    moment::Moment,
    rollout::{self, Hold, Outcome, Persisted, Rollout, Standing, Waiting},
    rows::Counts,
    service::Share,
    weight::Weight,
};

use super::risk::Risk;
use crate::mesh::report::{Says, merge};

/// What the status is made of.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) hold: &'a Hold,
    pub(super) services: &'a [Arc<str>],
    pub(super) risks: Vec<Risk>,
    pub(super) generation: Option<i64>,
    pub(super) now: Moment,
}

impl Facts<'_> {
    /// The status that follows one with the conditions `before`.
    pub(super) fn status(self, before: &[Condition]) -> CanaryRolloutStatus {
        let Facts { rollout, hold, services, ref risks, generation, now } = self;
        let (reason, message) = self.why();
        let (step, display) = (hold.step.map(|(step, _)| signed(step)), self.display());
        let says = self.conditions(&reason, &message, risks);
        let trust = &hold.trust;
        CanaryRolloutStatus {
            observed_generation: generation,
            phase: Some(hold.standing.label().to_owned()),
            reason: Some(reason),
            message: Some(message),
            step,
            decision: Some(decision(hold, services)),
            desired_weight: Some(i32::from(hold.desired.basis_points())),
            observed_weight: Some(i32::from(hold.observed.basis_points())),
            proxies: hold.proxies.as_ref().map(|proof| RolloutProxies {
                total: signed(proof.total),
                synced: signed(proof.synced),
                laggards: proof.laggards.iter().map(|name| (**name).to_owned()).collect(),
            }),
            trusted_revisions: trust.revisions.iter().map(|r| r.as_str().to_owned()).collect(),
            target_uid: trust.owner.as_ref().map(|owner| owner.to_string()),
            stable_revision: rollout.stable.as_ref().map(|r| r.as_str().to_owned()),
            canary_revision: hold.canary.as_ref().map(|r| r.as_str().to_owned()),
            checks: hold.checks.as_ref().map(checks),
            rollback: rollout.rollback.as_ref().map(rollback),
            history: rollout.history.iter().map(release).collect(),
            conditions: merge(before, says, generation, &whole_seconds(now)),
            display: Some(display),
            record: serde_json::to_value(Persisted::from(rollout)).ok(),
        }
    }

    /// Why it stands where it does, in a word and in a sentence.
    fn why(&self) -> (String, String) {
        let Hold { standing, waiting, .. } = self.hold;
        let failed = match standing {
            Standing::Failed | Standing::Aborted | Standing::Halted => {
                self.rollout.rollback.as_ref()
            }
            Standing::Idle
            | Standing::Progressing
            | Standing::Paused
            | Standing::Suspended
            | Standing::Promoting
            | Standing::Completed
            | Standing::Reverting => None,
        };
        if let Some(rollback) = failed {
            let (reason, undo) = (&rollback.reason, "change the workload's template to go on");
            let sentence = format!("{}: {}; {undo}", rollback.revision, reason.sentence());
            return (reason.label().to_owned(), sentence);
        }
        match waiting {
            Some(waiting) => (waiting.label().to_owned(), waiting.sentence()),
            None => (standing.label().to_owned(), resting(*standing).to_owned()),
        }
    }

    fn conditions(&self, reason: &str, message: &str, risks: &[Risk]) -> Vec<Says> {
        let (rests, stalled) = match self.hold.standing {
            Standing::Idle | Standing::Completed => (true, self.is_hopeless()),
            Standing::Failed | Standing::Aborted | Standing::Halted => (false, true),
            Standing::Progressing
            | Standing::Paused
            | Standing::Suspended
            | Standing::Promoting
            | Standing::Reverting => (false, self.is_hopeless()),
        };
        let says = |type_, status| Says {
            type_,
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let mut all = vec![
            says("Ready", rests && !stalled),
            says("Progressing", !rests && !stalled),
            says("Stalled", stalled),
        ];
        all.extend(risks.iter().map(|risk| Says {
            type_: risk.type_,
            status: true,
            reason: risk.reason.to_owned(),
            message: risk.message.clone(),
        }));
        all
    }

    /// Whether nothing will happen until a person changes something.
    fn is_hopeless(&self) -> bool {
        matches!(
            self.hold.waiting,
            Some(Waiting::Target | Waiting::FitTarget(_) | Waiting::SharedService { .. })
        )
    }

    fn display(&self) -> RolloutDisplay {
        let Hold { step, observed, proxies, .. } = self.hold;
        let step = step.map(|(step, all)| format!("{}/{all}", (step + 1).min(all)));
        RolloutDisplay {
            step: step.unwrap_or_default(),
            weight: observed.to_string(),
            proxies: proxies
                .as_ref()
                .map(|proof| format!("{}/{}", proof.synced, proof.total))
                .unwrap_or_default(),
        }
    }
}

/// What is said where there is nothing to wait for.
const fn resting(standing: Standing) -> &'static str {
    match standing {
        Standing::Idle => "nothing is on trial",
        Standing::Progressing => "the release goes on",
        Standing::Paused => "a step waits for approval",
        Standing::Suspended => "spec.suspend is set",
        Standing::Promoting => "the release replaces the others",
        Standing::Completed => "the last release serves alone",
        Standing::Failed => "the release failed",
        Standing::Aborted => "the release was aborted",
        Standing::Halted => "the release failed while it replaced the others",
        Standing::Reverting => "the release's pods are leaving",
    }
}

fn decision(hold: &Hold, services: &[Arc<str>]) -> DecisionStatus {
    let split = hold.decided.split.as_ref();
    let weight = match split.map(|split| split.share) {
        Some(Share::Weighted(weight)) => weight,
        Some(Share::Joined) | None => Weight::NONE,
    };
    DecisionStatus {
        number: i64::try_from(hold.decided.number).unwrap_or(i64::MAX),
        services: services.iter().map(|name| (**name).to_owned()).collect(),
        canary: split.map(|split| split.canary.as_str().to_owned()),
        weight: i32::from(weight.basis_points()),
        joined: split.is_some_and(|split| split.share == Share::Joined),
    }
}

fn checks(checks: &rollout::Checks) -> Checks {
    Checks { verdict: checks.verdict.label().to_owned(), ..counts(&checks.canary, &checks.base) }
}

fn counts(canary: &Counts, base: &Counts) -> Checks {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Checks {
        verdict: String::new(),
        canary_requests: number(canary.attempts),
        canary_failures: number(canary.failures),
        stable_requests: number(base.attempts),
        stable_failures: number(base.failures),
    }
}

fn rollback(rollback: &rollout::Rollback) -> Rollback {
    Rollback {
        revision: rollback.revision.as_str().to_owned(),
        reason: rollback.reason.label().to_owned(),
        message: rollback.reason.sentence(),
        first_bad_at: rollback.first_bad_at.map(with_millis),
        at: Some(with_millis(rollback.at)),
        zero_at: rollback.zero_at.map(with_millis),
    }
}

fn release(release: &rollout::Release) -> Release {
    let message = match &release.outcome {
        Outcome::Withdrawn(reason) | Outcome::Halted(reason) => reason.sentence(),
        Outcome::Completed => "it serves alone".to_owned(),
        Outcome::Reverted => "the template went back to a trusted revision".to_owned(),
        Outcome::Superseded => "another revision was wanted".to_owned(),
        Outcome::Lost => "the workload went away".to_owned(),
    };
    Release {
        revision: release.revision.as_str().to_owned(),
        outcome: release.outcome.label().to_owned(),
        message,
        at: Some(whole_seconds(release.ended)),
        checks: Some(counts(&release.counted, &Counts::default())),
    }
}

fn timestamp(moment: Moment) -> Timestamp {
    let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// RFC 3339 with milliseconds.
fn with_millis(moment: Moment) -> String {
    format!("{:.3}", timestamp(moment))
}

/// Kubernetes' times carry whole seconds.
fn whole_seconds(moment: Moment) -> Time {
    Time(Timestamp::from_second(timestamp(moment).as_second()).unwrap_or_default())
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
