//! CanaryRollouts as tests use them: quick steps, and what their status says while they run.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use api::canary::{CanaryRollout, CanaryRolloutStatus, Rollback};
use jiff::Timestamp;

use crate::{Namespace, eventually};

/// A strategy that leaves the pods that serve alone and lets the canary have any share.
pub const FULL_SURGE: &str = "strategy: {rollingUpdate: {maxSurge: 100%, maxUnavailable: 0}}";

/// A rollout of a Deployment, with the lines of its spec besides the target.
#[must_use]
pub fn manifest(target: &str, spec: &str) -> String {
    format!(
        "apiVersion: serin.dev/v1alpha1
kind: CanaryRollout
metadata: {{name: {target}}}
spec:
  targetRef: {{name: {target}}}
  {spec}
"
    )
}

/// Three quick steps, each with requests to judge by.
pub const QUICK: &str = "steps: [{weight: 10, hold: 2s, minRequests: 20}, \
                         {weight: 30, hold: 2s, minRequests: 50}, \
                         {weight: 60, hold: 2s, minRequests: 100}]";

impl Namespace {
    /// What a rollout says of itself; nothing much before the operator has seen it.
    ///
    /// # Errors
    /// If there is none.
    pub async fn rollout(&self, name: &str) -> Result<CanaryRolloutStatus> {
        let rollouts = self.world().namespaced::<CanaryRollout>(&self.name);
        let rollout = rollouts.get(name).await.with_context(|| format!("rollout {name}"))?;
        Ok(rollout.status.unwrap_or_default())
    }

    /// Waits until a rollout is in one of these phases.
    ///
    /// # Errors
    /// If it is not within `deadline`, with what it says instead.
    pub async fn rollout_in(
        &self,
        name: &str,
        phases: &[&str],
        deadline: Duration,
    ) -> Result<CanaryRolloutStatus> {
        eventually(&format!("{name} is {phases:?}"), deadline, || async {
            let status = self.rollout(name).await?;
            let phase = status.phase.as_deref().unwrap_or("new");
            ensure!(phases.contains(&phase), "it is {phase}: {}", in_short(&status));
            Ok(status)
        })
        .await
    }

    /// Waits until a rollout has recorded what serves, so that the next template is a release.
    ///
    /// # Errors
    /// If it does not within half a minute.
    pub async fn rollout_guards(&self, name: &str) -> Result<String> {
        eventually("the rollout knows what is stable", Duration::from_secs(30), || async {
            let status = self.rollout(name).await?;
            let stable = status.stable_revision.clone().context("no stable revision yet")?;
            let trusted = status.trusted_revisions.contains(&stable);
            ensure!(trusted, "{stable} is not trusted yet: {}", in_short(&status));
            Ok(stable)
        })
        .await
    }

    /// Waits until a release has been withdrawn and gets nothing from any proxy.
    ///
    /// # Errors
    /// If it is not within a minute.
    pub async fn withdrawn(&self, name: &str, stable: &str) -> Result<Rollback> {
        eventually("the release is withdrawn", Duration::from_secs(60), || async {
            let status = self.rollout(name).await?;
            let Some(rollback) = status.rollback.clone() else {
                bail!("no rollback yet: {}", in_short(&status));
            };
            let canary = status.canary_revision.as_deref();
            ensure!(canary == Some(&*rollback.revision), "{rollback:?} is of an earlier release");
            ensure!(rollback.revision != stable, "the stable revision was withdrawn");
            ensure!(rollback.zero_at.is_some(), "not every proxy knows: {}", in_short(&status));
            Ok(rollback)
        })
        .await
    }
}

/// The parts of a status that say where a release stands.
#[must_use]
pub fn in_short(status: &CanaryRolloutStatus) -> String {
    let CanaryRolloutStatus { phase, reason, message, step, checks, .. } = status;
    let (desired, observed) = (status.desired_weight, status.observed_weight);
    format!(
        "{phase:?} {reason:?} {message:?} step {step:?} weight {observed:?} of {desired:?} {checks:?} {:?}",
        status.proxies
    )
}

/// Milliseconds from one moment of a rollback to another.
///
/// # Errors
/// If one of them is missing, or is no time.
pub fn millis_between(from: Option<&String>, to: Option<&String>) -> Result<i64> {
    let moment = |text: Option<&String>| -> Result<Timestamp> {
        text.context("the moment is missing")?.parse().context("no time")
    };
    Ok(moment(to)?.as_millisecond() - moment(from)?.as_millisecond())
}
