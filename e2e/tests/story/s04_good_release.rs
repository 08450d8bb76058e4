//! A good release is promoted, and nobody notices but those who look.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use api::canary::CanaryRolloutStatus;
use e2e::{
    Namespace,
    app::Server,
    events::{self, About},
    eventually,
    eventually::throughout,
    freeze::freeze,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    rollout::{self, FULL_SURGE, QUICK, in_short},
    world::run,
};
use jiff::Timestamp;
use kube::ResourceExt as _;

/// What is announced of a release that passes, first to last.
const PROMOTED: [&str; 7] = [
    "ReleaseStarted",
    "WeightRaised",
    "StepStarted",
    "ReleasePassed",
    "ReleaseTrusted",
    "GatesOpening",
    "ReleaseCompleted",
];

const ABORT: &str = "{\"spec\":{\"abort\":true}}";

const WEIGHTS: [i32; 3] = [1000, 3000, 6000];

#[test]
fn a_good_release_is_promoted_without_a_failed_request_and_the_deployment_stays_as_applied() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "good", Injection::On, |shop| async move {
            let server = Server { replicas: 3, spec: FULL_SURGE, ..Server::new("server") };
            shop.apply(&server.manifest()).await?;
            shop.rolled_out("server").await?;
            shop.apply(&rollout::manifest("server", QUICK)).await?;
            let stable = shop.rollout_guards("server").await?;
            let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;

            let start = Timestamp::now();
            shop.apply(&Server { version: "v2", ..server }.manifest()).await?;
            let applied = spec_of(&shop).await?;
            let trail = follow(&shop, &applied, &stable).await?;
            trail.check()?;
            shop.rolled_out("server").await?;
            ensure!(spec_of(&shop).await? == applied, "the Deployment's spec changed");
            nobody_else_wrote(&shop).await?;
            let about = About { kind: "CanaryRollout", namespace: &shop.name, name: "server" };
            let announced = events::reasons(shop.world(), about, start).await?;
            ensure!(announced == PROMOTED, "{announced:?} was announced");
            only_the_release_serves(&shop, &load, &trail.canary).await
        })
        .await
    });
}

#[test]
fn a_step_waits_for_a_caller_that_does_not_follow_and_a_release_can_be_held_and_aborted() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "held", Injection::On, |shop| async move {
            let server = Server { replicas: 2, spec: FULL_SURGE, ..Server::new("server") };
            shop.apply(&server.manifest()).await?;
            shop.rolled_out("server").await?;
            shop.apply(&rollout::manifest("server", QUICK)).await?;
            let stable = shop.rollout_guards("server").await?;
            let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;
            let slow = Load::start(&shop, "slow", "http://server:8080/", 10).await?;

            // Held before it began: it comes up and gets nothing.
            suspend(&shop, true).await?;
            shop.apply(&Server { version: "v2", ..server }.manifest()).await?;
            let held = in_step(&shop, "Suspended", 0).await?;
            ensure!(held.desired_weight == Some(0), "{}", in_short(&held));

            // A caller that cannot follow keeps it from going on, by name.
            let pod = shop.pods("app=slow").await?.pop().context("no pod")?;
            let name = format!("{}/{}", shop.name, pod.name_any());
            let frozen = freeze(&pod)?;
            let waited = waits_for(&shop, &name).await;
            frozen.thaw()?;
            waited?;
            in_step(&shop, "Progressing", 1).await?;

            kubectl(["patch", "canary", "server", "-n", &shop.name, "--type=merge", "-p", ABORT])
                .await?;
            let rollback = shop.withdrawn("server", &stable).await?;
            ensure!(rollback.reason == "Aborted", "{rollback:?}");
            load.expect_no_failure(1000).await?;
            let stats = slow.stats().await?;
            ensure!(stats.version("v2").failed == 0, "{stats:?}");
            Ok(())
        })
        .await
    });
}

async fn suspend(shop: &Namespace, suspend: bool) -> Result<()> {
    let patch = format!("{{\"spec\":{{\"suspend\":{suspend}}}}}");
    kubectl(["patch", "canary", "server", "-n", &shop.name, "--type=merge", "-p", &patch])
        .await
        .map(drop)
}

async fn in_step(shop: &Namespace, phase: &str, step: i32) -> Result<CanaryRolloutStatus> {
    eventually(&format!("{phase} in step {step}"), Duration::from_secs(30), || async {
        let status = shop.rollout("server").await?;
        let there = status.phase.as_deref() == Some(phase) && status.step == Some(step);
        ensure!(there, "{}", in_short(&status));
        Ok(status)
    })
    .await
}

/// Lets the release go on while the proxy of the pod is frozen: it is named, and the first step
/// does not end, though its time and requests have passed.
async fn waits_for(shop: &Namespace, name: &str) -> Result<()> {
    suspend(shop, false).await?;
    eventually("the frozen caller is named", Duration::from_secs(30), || async {
        let status = shop.rollout("server").await?;
        let proxies = status.proxies.as_ref().context("no proxies")?;
        ensure!(proxies.laggards.iter().any(|it| it == name), "{}", in_short(&status));
        Ok(())
    })
    .await?;
    throughout("the step waits", Duration::from_secs(8), || async {
        let status = shop.rollout("server").await?;
        ensure!(status.step == Some(0), "it went on: {}", in_short(&status));
        ensure!(status.observed_weight != Some(1000), "acked by all: {}", in_short(&status));
        Ok(())
    })
    .await
}

/// What was seen of a release from its start to its end.
#[derive(Debug, Default)]
struct Trail {
    canary: String,
    /// Steps, in the order in which they were first seen.
    steps: Vec<i32>,
    /// Steps of which every proxy was seen to follow the full weight.
    acked: BTreeSet<i32>,
    /// The first thing seen that must not be.
    wrong: Option<String>,
}

impl Trail {
    fn see(&mut self, status: &CanaryRolloutStatus) -> Result<()> {
        self.canary = status.canary_revision.clone().context("no canary")?;
        let step = status.step.context("no step")?;
        if self.steps.last() != Some(&step) {
            let unacked = self.steps.last().filter(|last| !self.acked.contains(last));
            if let Some(last) = unacked {
                self.wrong(format!("step {last} was left unacked: {}", in_short(status)));
            }
            self.steps.push(step);
        }
        let weight = usize::try_from(step).ok().and_then(|at| WEIGHTS.get(at)).copied();
        let (desired, observed) = (status.desired_weight, status.observed_weight);
        let all = status.proxies.as_ref().is_some_and(|it| it.total > 0 && it.synced == it.total);
        if all && observed == weight && desired == weight {
            self.acked.insert(step);
        }
        if desired.unwrap_or(0) > weight.unwrap_or(10_000) {
            self.wrong(format!("more than the step allows: {}", in_short(status)));
        }
        Ok(())
    }

    fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn check(&self) -> Result<()> {
        if let Some(wrong) = &self.wrong {
            bail!("{wrong}");
        }
        ensure!(self.steps == [0, 1, 2], "steps {:?}", self.steps);
        ensure!(self.acked.len() == self.steps.len(), "acked were only {:?}", self.acked);
        Ok(())
    }
}

/// Looks often until the release has ended, at the rollout and at the Deployment.
async fn follow(shop: &Namespace, applied: &str, stable: &str) -> Result<Trail> {
    let trail = std::cell::RefCell::new(Trail::default());
    eventually("the release is promoted", Duration::from_secs(120), || async {
        let status = shop.rollout("server").await?;
        if status.phase.as_deref() == Some("Progressing") {
            trail.borrow_mut().see(&status)?;
        }
        let spec = spec_of(shop).await?;
        if spec != applied {
            trail.borrow_mut().wrong(format!("the Deployment's spec changed: {spec} {applied}"));
        }
        let now_stable = status.stable_revision.as_deref();
        let done = status.phase.as_deref() == Some("Completed") && now_stable != Some(stable);
        ensure!(done, "{}", in_short(&status));
        Ok(())
    })
    .await?;
    Ok(trail.into_inner())
}

/// The Deployment's spec as the API server has it.
async fn spec_of(shop: &Namespace) -> Result<String> {
    Ok(serde_json::to_string(&shop.deployment("server").await?.spec)?)
}

/// Who has written to the Deployment: its owner, and Kubernetes' controller to its status.
async fn nobody_else_wrote(shop: &Namespace) -> Result<()> {
    let fields = shop.deployment("server").await?.metadata.managed_fields.unwrap_or_default();
    for entry in fields {
        let (manager, part) = (entry.manager.as_deref(), entry.subresource.as_deref());
        let known = matches!(
            (manager, part),
            (Some("kubectl-client-side-apply"), None) | (Some("kube-controller-manager"), _)
        );
        ensure!(known, "{manager:?} wrote to it: {:?}", entry.fields_v1);
    }
    Ok(())
}

async fn only_the_release_serves(shop: &Namespace, load: &Load, canary: &str) -> Result<()> {
    load.expect_no_failure(1000).await?;
    eventually("only the release serves", Duration::from_secs(60), || async {
        let pods = shop.pods("app=server").await?;
        let hashes: BTreeSet<_> = pods
            .iter()
            .filter_map(|pod| pod.metadata.labels.as_ref()?.get("pod-template-hash").cloned())
            .collect();
        ensure!(hashes.len() == 1 && hashes.contains(canary), "{hashes:?}, canary {canary}");
        Ok(())
    })
    .await?;
    let stats = load.expect_no_failure(1000).await?;
    ensure!(stats.version("v2").total > 0, "{:?}", stats.by_version);
    let printed = kubectl(["get", "canary", "-n", &shop.name, "--no-headers"]).await?;
    ensure!(printed.contains("Completed"), "{printed}");
    Ok(())
}
