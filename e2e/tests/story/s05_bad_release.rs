//! Bad releases take themselves out of traffic, and say why.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, Result, ensure};
use api::canary::Rollback;
use e2e::{
    Namespace,
    app::Server,
    eventually,
    load::Load,
    mesh,
    namespace::{Injection, within},
    rollout::{self, FULL_SURGE, in_short, millis_between},
    world::run,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

#[test]
fn a_release_that_always_fails_is_gone_within_two_seconds() {
    run(|world| async move {
        let trials = world.amount(5, 30);
        shop_under_load(&world, "always", |shop, load| async move {
            let (mut proxies, mut clients) = (Vec::new(), Vec::new());
            for trial in 0..trials {
                let release = format!("always-{trial}");
                let rollback = fail(&shop, &load, &release, "--error-ratio=1").await?;
                proxies.push(millis_between(
                    rollback.first_bad_at.as_ref(),
                    rollback.zero_at.as_ref(),
                )?);
                clients.push(seen_by_clients(&load, &release).await?);
                expect_reason(&rollback, &["ErrorRatio", "WorseThanStable", "TooManyFailures"])?;
                revert(&shop).await?;
            }
            let times = Times::of("first bad response to last proxy at 0 %", proxies);
            let seen = Times::of("first failure to last answer, as clients see it", clients);
            for times in [times, seen] {
                ensure!(times.median() <= 2000, "the median is {} ms", times.median());
                ensure!(times.max() <= 5000, "the longest is {} ms", times.max());
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn a_release_that_fails_one_request_of_twenty_is_gone_within_two_hundred() {
    run(|world| async move {
        let trials = world.amount(3, 30);
        shop_under_load(&world, "some", |shop, load| async move {
            let (mut requests, mut verdicts) = (Vec::new(), Vec::new());
            for trial in 0..trials {
                let release = format!("some-{trial}");
                let rollback = fail(&shop, &load, &release, "--error-ratio=0.05").await?;
                let sent = load.stats().await?.version(&release).total;
                requests.push(i64::try_from(sent)?);
                verdicts.push(millis_between(
                    Some(&rollback.at.clone().context("no time")?),
                    rollback.zero_at.as_ref(),
                )?);
                revert(&shop).await?;
            }
            let requests = Times::of("requests to a release that fails 5 %", requests);
            let verdicts = Times::of("verdict to last proxy at 0 %", verdicts);
            let enough = requests.share_below(200);
            ensure!(requests.median() <= 200, "the median is {} requests", requests.median());
            ensure!(trials < 20 || enough >= 0.95, "{enough} of all trials took at most 200");
            ensure!(verdicts.max() <= 1000, "the longest took {} ms", verdicts.max());
            Ok(())
        })
        .await
    });
}

#[test]
fn a_release_whose_pods_crash_is_gone_within_a_second_of_the_crash() {
    run(|world| async move {
        let trials = world.amount(2, 30);
        shop_under_load(&world, "crash", |shop, load| async move {
            let mut times = Vec::new();
            for trial in 0..trials {
                let release = format!("crash-{trial}");
                let flag = "--crash-after-requests=40";
                let (rollback, crash) =
                    tokio::join!(fail(&shop, &load, &release, flag), first_crash(&shop, &release),);
                let (rollback, crash) = (rollback?, crash?);
                let zero: Timestamp =
                    rollback.zero_at.as_deref().context("never at 0 %")?.parse()?;
                times.push(zero.as_millisecond() - crash);
                let reasons = ["Crashed", "ErrorRatio", "WorseThanStable", "TooManyFailures"];
                expect_reason(&rollback, &reasons)?;
                revert(&shop).await?;
            }
            let times = Times::of("container status to last proxy at 0 %", times);
            ensure!(times.max() <= 1000, "the longest took {} ms", times.max());
            Ok(())
        })
        .await
    });
}

/// A server with a rollout, under 200 requests a second, of which a release gets a fifth.
async fn shop_under_load<F, T>(world: &e2e::World, name: &str, test: F) -> Result<()>
where
    F: FnOnce(Namespace, Load) -> T,
    T: Future<Output = Result<()>>,
{
    mesh::installed(world).await?;
    within(world, name, Injection::On, |shop| async move {
        shop.apply(&GOOD.manifest()).await?;
        shop.rolled_out("server").await?;
        let steps =
            "steps: [{weight: 20, hold: 10m, minRequests: 100000}]\n  slo: {maxErrorRatio: 0.01}";
        shop.apply(&rollout::manifest("server", steps)).await?;
        shop.rollout_guards("server").await?;
        let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;
        Box::pin(test(shop, load)).await
    })
    .await
}

/// Releases a version with a fault and waits until it is withdrawn.
async fn fail(shop: &Namespace, load: &Load, release: &str, flag: &str) -> Result<Rollback> {
    load.reset().await?;
    let stable = shop.rollout_guards("server").await?;
    shop.apply(&Server { version: release, flags: &[flag], ..GOOD }.manifest()).await?;
    let rollback = shop.withdrawn("server", &stable).await?;
    let status = shop.rollout("server").await?;
    ensure!(status.phase.as_deref() == Some("Failed"), "{}", in_short(&status));
    ensure!(status.desired_weight.unwrap_or(0) == 0, "{}", in_short(&status));
    Ok(rollback)
}

/// Applies the good version again and waits until the bad pods are gone.
async fn revert(shop: &Namespace) -> Result<()> {
    shop.apply(&GOOD.manifest()).await?;
    eventually("the release is forgotten", Duration::from_secs(60), || async {
        let status = shop.rollout("server").await?;
        let resting = matches!(status.phase.as_deref(), Some("Idle" | "Completed"));
        let pods = shop.pods("app=server").await?.len();
        ensure!(resting && pods == 2, "{pods} pods, {}", in_short(&status));
        Ok(())
    })
    .await
}

/// From the first failure that a client saw of a version to its last answer, once it is silent.
async fn seen_by_clients(load: &Load, version: &str) -> Result<i64> {
    let stats = eventually("the release is silent", Duration::from_secs(20), || async {
        let stats = load.stats().await?;
        let silent = stats.now_unix_ms.saturating_sub(stats.version(version).last_unix_ms);
        ensure!(silent > 2000, "it answered {silent} ms ago");
        Ok(stats)
    })
    .await?;
    let seen = stats.version(version);
    let first = seen.first_failure_unix_ms.context("no client saw it fail")?;
    Ok(i64::try_from(seen.last_unix_ms.saturating_sub(first))?)
}

/// When this machine first saw in a pod's status that a container of the release had crashed.
async fn first_crash(shop: &Namespace, release: &str) -> Result<i64> {
    let selector = format!("app=server,version={release}");
    let look = async || {
        let pods = shop.pods(&selector).await?;
        ensure!(pods.iter().any(has_crashed), "no crash yet");
        Ok(Timestamp::now().as_millisecond())
    };
    eventually::closely("a crash", Duration::from_secs(90), look).await
}

fn has_crashed(pod: &Pod) -> bool {
    let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    status.into_iter().flatten().any(|container| {
        let ended = container.state.as_ref().is_some_and(|state| state.terminated.is_some());
        ended || container.restart_count > 0
    })
}

fn expect_reason(rollback: &Rollback, known: &[&str]) -> Result<()> {
    let Rollback { reason, message, .. } = rollback;
    ensure!(known.contains(&reason.as_str()), "the reason is {reason}: {message}");
    ensure!(message.split_whitespace().count() >= 3, "{message:?} is no sentence");
    Ok(())
}

/// What was measured in all trials, shown to whoever runs them.
struct Times(Vec<i64>);

impl Times {
    #[expect(clippy::print_stdout, reason = "measurements that a person wants to see")]
    fn of(what: &str, mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        println!("{what}: {values:?}");
        Self(values)
    }

    fn median(&self) -> i64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(i64::MAX)
    }

    fn max(&self) -> i64 {
        self.0.last().copied().unwrap_or(i64::MAX)
    }

    #[expect(clippy::cast_precision_loss, reason = "some tens of trials")]
    fn share_below(&self, bound: i64) -> f64 {
        self.0.iter().filter(|value| **value <= bound).count() as f64 / self.0.len() as f64
    }
}

const GOOD: Server<'static> = Server { replicas: 2, spec: FULL_SURGE, ..Server::new("server") };
