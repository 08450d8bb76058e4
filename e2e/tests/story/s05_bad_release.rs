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
    world::{run, say},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

#[test]
fn a_release_that_always_fails_is_gone_within_two_seconds() {
    run(|world| async move {
        let trials = world.amount(5, 30);
        shop_under_load(&world, "always", STRICT, |shop, callers| async move {
            let (mut proxies, mut clients) = (Vec::new(), Vec::new());
            for trial in 0..trials {
                let release = format!("always-{trial}");
                let rollback = fail(&shop, &callers, &release, "--error-ratio=1").await?;
                proxies.push(millis_between(
                    rollback.first_bad_at.as_ref(),
                    rollback.zero_at.as_ref(),
                )?);
                clients.push(callers.failing_time(&release).await?);
                expect_reason(&rollback, &JUDGED)?;
                revert(&shop).await?;
            }
            let times = Times::of("first bad response to last proxy at 0 %", proxies);
            let seen = Times::of("first failure to last answer, as clients see it", clients);
            for times in [times, seen] {
                ensure!(times.median() <= 2000, "the median is {} ms", times.median());
                ensure!(times.max() <= 5000, "the longest is {} ms", times.max());
                let p99 = times.percentile(99);
                ensure!(trials < 20 || p99 <= 2000, "the 99th percentile is {p99} ms");
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn a_release_that_fails_one_request_of_twenty_is_gone_within_two_hundred() {
    run(|world| async move {
        let (trials, most) = (world.amount(3, 30), world.amount(BUSY, 1000));
        shop_under_load(&world, "some", STRICT, |shop, callers| async move {
            let (mut sent, mut counted, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
            for trial in 0..trials {
                let release = format!("some-{trial}");
                let rollback = fail(&shop, &callers, &release, "--error-ratio=0.05").await?;
                sent.push(callers.sent(&release).await?);
                counted.push(counted_by_proxies(&shop, &rollback).await?);
                let verdict = rollback.at.as_ref();
                verdicts.push(millis_between(verdict, rollback.zero_at.as_ref())?);
                expect_reason(&rollback, &JUDGED)?;
                revert(&shop).await?;
            }
            let counted = Times::of("requests by the verdict, as proxies count them", counted);
            let sent = Times::of("requests in all, as clients count them", sent);
            let verdicts = Times::of("verdict to last proxy at 0 %", verdicts);
            for requests in [counted, sent] {
                ensure!(requests.median() <= 200, "the median is {} requests", requests.median());
                let enough = requests.share_below(200);
                ensure!(trials < 20 || enough >= 0.95, "{enough} of all trials took at most 200");
            }
            ensure!(verdicts.max() <= most, "the longest took {} ms", verdicts.max());
            Ok(())
        })
        .await
    });
}

#[test]
fn a_release_whose_pods_crash_is_gone_soon_after_the_crash() {
    run(|world| async move {
        let (trials, most) = (world.amount(2, 10), world.amount(BUSY, 1000));
        shop_under_load(&world, "crash", BLIND, |shop, callers| async move {
            let (mut proxies, mut clients) = (Vec::new(), Vec::new());
            for trial in 0..trials {
                let release = format!("crash-{trial}");
                let flag = "--crash-after-requests=40";
                let (rollback, crash) = tokio::join!(
                    fail(&shop, &callers, &release, flag),
                    first_crash(&shop, &release)
                );
                let (rollback, crash) = (rollback?, crash?);
                let zero: Timestamp =
                    rollback.zero_at.as_deref().context("never at 0 %")?.parse()?;
                proxies.push(zero.as_millisecond() - crash);
                clients.push(callers.last_answer(&release).await? - crash);
                expect_reason(&rollback, &["Crashed"])?;
                revert(&shop).await?;
            }
            let times = Times::of("container status to last proxy at 0 %", proxies);
            let seen = Times::of("container status to last answer, as clients see it", clients);
            for times in [times, seen] {
                ensure!(times.max() <= most, "the longest took {} ms", times.max());
            }
            Ok(())
        })
        .await
    });
}

/// A server with a rollout, under 240 requests a second, of which a release gets a tenth: a little
/// more than the 20 a second that the promise of two seconds is made for.
async fn shop_under_load<F, T>(world: &e2e::World, name: &str, slo: &str, test: F) -> Result<()>
where
    F: FnOnce(Namespace, Callers) -> T,
    T: Future<Output = Result<()>>,
{
    mesh::installed(world).await?;
    within(world, name, Injection::On, |shop| async move {
        shop.apply(&GOOD.manifest()).await?;
        shop.rolled_out("server").await?;
        let steps =
            format!("steps: [{{weight: 10, hold: 10m, minRequests: 100000}}]\n  slo: {slo}");
        shop.apply(&rollout::manifest("server", &steps)).await?;
        shop.rollout_guards("server").await?;
        let callers = Callers([
            Load::start(&shop, "caller-a", "http://server:8080/", 120).await?,
            Load::start(&shop, "caller-b", "http://server:8080/", 120).await?,
        ]);
        Box::pin(test(shop, callers)).await
    })
    .await
}

/// Releases a version with a fault and waits until it is withdrawn.
async fn fail(shop: &Namespace, callers: &Callers, release: &str, flag: &str) -> Result<Rollback> {
    callers.reset().await?;
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

/// Two pods with a proxy each that send requests.
struct Callers([Load; 2]);

impl Callers {
    async fn reset(&self) -> Result<()> {
        for load in &self.0 {
            load.reset().await?;
        }
        Ok(())
    }

    /// What they count of a version, added up.
    async fn counted(&self, version: &str) -> Result<Counted> {
        let mut all = Counted::default();
        for load in &self.0 {
            let stats = load.stats().await?;
            let seen = stats.version(version);
            all.sent += i64::try_from(seen.total)?;
            all.now = all.now.max(i64::try_from(stats.now_unix_ms)?);
            all.last = all.last.max(i64::try_from(seen.last_unix_ms)?);
            if let Some(first) = seen.first_failure_unix_ms {
                let first = i64::try_from(first)?;
                all.first_failure = Some(all.first_failure.map_or(first, |known| known.min(first)));
            }
        }
        Ok(all)
    }

    async fn sent(&self, version: &str) -> Result<i64> {
        Ok(self.counted(version).await?.sent)
    }

    /// What they count of a version once it has been silent for two seconds.
    async fn in_silence(&self, version: &str) -> Result<Counted> {
        eventually("the release is silent", Duration::from_secs(20), || async {
            let counted = self.counted(version).await?;
            let silent = counted.now - counted.last;
            ensure!(silent > 2000, "it answered {silent} ms ago");
            Ok(counted)
        })
        .await
    }

    async fn last_answer(&self, version: &str) -> Result<i64> {
        Ok(self.in_silence(version).await?.last)
    }

    /// From the first failure that one of them saw of a version to its last answer.
    async fn failing_time(&self, version: &str) -> Result<i64> {
        let counted = self.in_silence(version).await?;
        Ok(counted.last - counted.first_failure.context("no client saw it fail")?)
    }
}

/// Answers of a version; moments in milliseconds since 1970.
#[derive(Default)]
struct Counted {
    sent: i64,
    first_failure: Option<i64>,
    last: i64,
    now: i64,
}

/// How many requests a release had been given when it was withdrawn.
async fn counted_by_proxies(shop: &Namespace, rollback: &Rollback) -> Result<i64> {
    let history = shop.rollout("server").await?.history;
    let ended = history.iter().find(|release| release.revision == rollback.revision);
    let checks = ended.and_then(|release| release.checks.as_ref()).context("nothing counted")?;
    Ok(checks.canary_requests)
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
    fn of(what: &str, mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        let times = Self(values);
        let (median, p99, max) = (times.median(), times.percentile(99), times.max());
        say(&format!("{what}: median {median}, p99 {p99}, max {max}, all {:?}", times.0));
        times
    }

    fn median(&self) -> i64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(i64::MAX)
    }

    /// By nearest rank.
    fn percentile(&self, percent: usize) -> i64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(i64::MAX)
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

/// What a step of a second may take on a machine that does other things, too.
const BUSY: i64 = 10_000;

const STRICT: &str = "{maxErrorRatio: 0.01}";

/// Lets every request fail, so that only a crash can be what withdraws a release.
const BLIND: &str = "{maxErrorRatio: 1, compareTo: Nothing}";

/// Reasons that say that requests failed.
const JUDGED: [&str; 3] = ["ErrorRatio", "WorseThanStable", "TooManyFailures"];
