//! One release of payment, from `kubectl apply` to its end, shown as it happens.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::canary::CanaryRolloutStatus;
use testkit::load::Stats;
use tokio::time::Instant;

use super::screen::{self, Screen};
use crate::{
    Namespace, eventually,
    kubectl::{apply, kubectl},
    load::Load,
    rollout::{in_short, millis_between},
    world::repository,
};

/// A release and how it is bound to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    /// A variable of testkit's that makes it bad.
    pub(super) fault: Option<(&'static str, &'static str)>,
    pub(super) ending: Ending,
}

/// How a release ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It serves alone.
    Promoted,
    /// It gets nothing; its owner applies the version before.
    Withdrawn { back_to: &'static str },
}

/// Applies it, shows how it goes, and sees to its end.
pub(super) async fn play(
    screen: &mut Screen,
    shop: &Namespace,
    load: &Load,
    release: &Release,
) -> Result<()> {
    load.reset().await?;
    let before = shop.rollout_guards("payment").await?;
    apply(&manifest(release.version, release.fault)?).await?;
    screen::text("$ kubectl apply -f payment.yaml      # nothing but the version differs");
    let status = Box::pin(watch(screen, shop, load, release, &before)).await?;
    match release.ending {
        Ending::Promoted => {
            shop.rolled_out("payment").await?;
            let stats = load.stats().await?;
            screen::text(&format!(
                "{} serves alone; {} of {} pages failed.",
                release.version, stats.failed, stats.total
            ));
        }
        Ending::Withdrawn { back_to } => {
            explain(shop, &status).await?;
            apply(&manifest(back_to, None)?).await?;
            gone(shop).await?;
            screen::text(&format!(
                "Its owner applied {back_to} again; {} is gone.",
                release.version
            ));
        }
    }
    Ok(())
}

/// Prints a line whenever something changed, until the release has ended as it was bound to.
async fn watch(
    screen: &mut Screen,
    shop: &Namespace,
    load: &Load,
    release: &Release,
    before: &str,
) -> Result<CanaryRolloutStatus> {
    let start = Instant::now();
    screen.header(HEADER);
    loop {
        let (status, stats) = (shop.rollout("payment").await?, load.stats().await?);
        screen.row(&row(start.elapsed(), &status, &stats, release.version), &stage(&status));
        let phase = status.phase.as_deref().unwrap_or_default();
        let stable = status.stable_revision.as_deref();
        let ended = match (release.ending, phase) {
            (Ending::Promoted, "Completed") => stable != Some(before),
            (Ending::Withdrawn { .. }, "Failed") => {
                status.rollback.as_ref().is_some_and(|rollback| rollback.zero_at.is_some())
            }
            (Ending::Promoted, "Failed" | "Halted") | (Ending::Withdrawn { .. }, "Halted") => {
                bail!("{} ended otherwise: {}", release.version, in_short(&status))
            }
            _ => false,
        };
        if ended {
            screen.end_of_table();
            return Ok(status);
        }
        if start.elapsed() > PATIENCE {
            bail!("{} has not ended: {}", release.version, in_short(&status));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What must change for a line of its own.
fn stage(status: &CanaryRolloutStatus) -> String {
    let display = status.display.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    format!("{phase} {} {}", display.step, display.weight)
}

fn row(elapsed: Duration, status: &CanaryRolloutStatus, stats: &Stats, version: &str) -> String {
    let display = status.display.clone().unwrap_or_default();
    let checks = status.checks.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or("-");
    let ratio = |failed: i64, all: i64| match all {
        0 => "-".to_owned(),
        // Tenths of a per cent, rounded down.
        _ => format!("{}.{} %", failed * 100 / all, failed * 1000 / all % 10),
    };
    format!(
        "{:>4} s  {phase:<12} {:>5} {:>7} {:>8} {:>10} {:>8} {:>8} {:>9} {:>7}",
        elapsed.as_secs(),
        display.step,
        display.weight,
        display.proxies,
        checks.canary_requests,
        ratio(checks.canary_failures, checks.canary_requests),
        ratio(checks.stable_failures, checks.stable_requests),
        stats.version(version).total,
        stats.failed,
    )
}

/// Why it was withdrawn, and how fast.
async fn explain(shop: &Namespace, status: &CanaryRolloutStatus) -> Result<()> {
    let rollback = status.rollback.as_ref().context("no rollback")?;
    screen::output(
        "kubectl get canary -n shop",
        &kubectl(["get", "canary", "-n", &shop.name]).await?,
    );
    screen::text(&format!("Withdrawn: {}: {}.", rollback.reason, rollback.message));
    let verdict = millis_between(rollback.at.as_ref(), rollback.zero_at.as_ref())?;
    let since = match rollback.first_bad_at.as_ref() {
        Some(first) => {
            let all = millis_between(Some(first), rollback.zero_at.as_ref())?;
            format!("{all} ms after the first bad answer, ")
        }
        None => String::new(),
    };
    screen::text(&format!("The last proxy was at 0 % {since}{verdict} ms after the verdict."));
    Ok(())
}

/// Waits until the withdrawn release's pods are gone.
async fn gone(shop: &Namespace) -> Result<()> {
    eventually("the rollout rests", Duration::from_secs(90), || async {
        let status = shop.rollout("payment").await?;
        let pods = shop.pods("app=payment").await?.len();
        let rests = matches!(status.phase.as_deref(), Some("Idle" | "Completed"));
        if rests && pods == REPLICAS {
            return Ok(());
        }
        bail!("{pods} pods, {}", in_short(&status))
    })
    .await
}

/// The sample's manifest of payment in another version, as its owner would edit it.
fn manifest(version: &str, fault: Option<(&str, &str)>) -> Result<String> {
    let path = repository("config/samples/shop/payment.yaml");
    let sample = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let released =
        sample.replace("        version: v1\n", &format!("        version: {version}\n"));
    let Some((name, value)) = fault else { return Ok(released) };
    let variable =
        format!("          env:\n            - {{ name: {name}, value: \"{value}\" }}\n");
    Ok(released.replace("          env:\n", &variable))
}

const HEADER: &str = "  time  phase         step  weight  proxies     canary   errors   others     pages  failed\n                                        \
                      acked   requests   of it    errors    by it   pages";
/// As many pods as the sample's payment has.
const REPLICAS: usize = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(180);
