//! Everything but the proxies is away, and nobody notices.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use api::{
    canary::CanaryRolloutStatus,
    names::{PROXY_CONTAINER, SYSTEM_NAMESPACE},
};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    eventually::throughout,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    rollout::{self, FULL_SURGE},
    world::run,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams};
use testkit::load::Stats;

#[test]
fn without_operator_control_plane_and_webhook_no_request_fails_and_back_again_nothing_jumps() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "outage", Injection::On, |shop| async move {
            let load = on_trial(&shop).await?;
            let before = shop.rollout("server").await?;
            let outcome = Box::pin(outage(&shop, &load)).await;
            let reset = load.reset().await;
            // Whatever was seen: the next test needs a mesh.
            let (back, jumps) =
                tokio::join!(mesh::wake(), nothing_jumps(&shop, &before, Duration::from_secs(30)));
            outcome?;
            reset?;
            back?;
            jumps?;
            a_fifth_is_on_trial(&load.expect_no_failure(1000).await?)?;
            load.reset().await?;
            nothing_jumps(&shop, &before, Duration::from_secs(10)).await?;
            a_fifth_is_on_trial(&load.expect_no_failure(1000).await?)
        })
        .await
    });
}

#[test]
fn a_replica_of_the_control_plane_that_goes_takes_no_request_with_it() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "replica", Injection::On, |shop| async move {
            let server = Server { replicas: 2, ..Server::new("server") };
            shop.apply(&server.manifest()).await?;
            shop.rolled_out("server").await?;
            let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;
            mesh::synced(shop.world(), 3).await?;
            let pods = shop.world().namespaced::<Pod>(SYSTEM_NAMESPACE);
            let control = ListParams::default().labels("app.kubernetes.io/name=serin-control");
            for pod in pods.list(&control).await? {
                let name = pod.metadata.name.context("a pod has a name")?;
                kubectl(["delete", "pod", "-n", SYSTEM_NAMESPACE, &name, "--grace-period=1"])
                    .await?;
                // What changes afterwards arrives all the same.
                kubectl(["rollout", "restart", "-n", &shop.name, "deployment/server"]).await?;
                shop.rolled_out("server").await?;
                mesh::synced(shop.world(), 3).await?;
            }
            load.expect_no_failure(1000).await.map(drop)
        })
        .await
    });
}

#[test]
fn a_replica_of_the_webhook_that_goes_leaves_no_pod_without_a_proxy() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "admission", Injection::On, |shop| async move {
            let pods = shop.world().namespaced::<Pod>(SYSTEM_NAMESPACE);
            let webhook = ListParams::default().labels("app.kubernetes.io/name=serin-webhook");
            let alive = pods.list(&webhook).await?.into_iter();
            let alive = alive.filter(|pod| pod.metadata.deletion_timestamp.is_none());
            let names: Vec<_> = alive.filter_map(|pod| pod.metadata.name).collect();
            ensure!(names.len() == 2, "replicas of the webhook: {names:?}");
            for name in names {
                let over = AtomicBool::new(false);
                let gone = async {
                    kubectl(["delete", "pod", "-n", SYSTEM_NAMESPACE, &name]).await?;
                    over.store(true, Ordering::Relaxed);
                    Ok(())
                };
                tokio::try_join!(gone, every_pod_is_injected(&shop, &over))?;
                kubectl(["rollout", "status", "-n", SYSTEM_NAMESPACE, "deployment/serin-webhook"])
                    .await?;
            }
            Ok(())
        })
        .await
    });
}

/// That whatever pod is made until it is `over`, one after the other, has a proxy.
async fn every_pod_is_injected(shop: &Namespace, over: &AtomicBool) -> Result<()> {
    let pods = shop.world().namespaced::<Pod>(&shop.name);
    let pod = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "made" },
        "spec": { "containers": [{ "name": "app", "image": "app" }] },
    }))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut made = 0;
    while !over.load(Ordering::Relaxed) {
        let injected = pods.create(&dry_run, &pod).await?.spec.context("a pod has a spec")?;
        let proxies = injected.init_containers.unwrap_or_default();
        let has_proxy = proxies.iter().any(|container| container.name == PROXY_CONTAINER);
        ensure!(has_proxy, "after {made} with one, a pod was made without a proxy");
        made += 1;
    }
    ensure!(made > 20, "only {made} pods were made");
    Ok(())
}

/// That from now on, for so long, the release gets what it got `before`, not more and not less.
async fn nothing_jumps(
    shop: &Namespace,
    before: &CanaryRolloutStatus,
    span: Duration,
) -> Result<()> {
    throughout("nothing jumps", span, || async {
        let now = shop.rollout("server").await?;
        let same = now.desired_weight == before.desired_weight && now.step == before.step;
        ensure!(same && now.phase == before.phase, "it jumps: {}", rollout::in_short(&now));
        ensure!(now.rollback.is_none(), "withdrawn: {}", rollout::in_short(&now));
        Ok(())
    })
    .await
}

/// That the release answered a fifth of the requests, give or take three per cent of all.
fn a_fifth_is_on_trial(stats: &Stats) -> Result<()> {
    let (v1, v2) = (stats.version("v1").total, stats.version("v2").total);
    let share = (17..=23).contains(&(100 * v2 / (v1 + v2).max(1)));
    ensure!(share, "v1 answered {v1} and v2 {v2}");
    Ok(())
}

/// A server under load with a release on trial, suspended at a fifth of the requests.
async fn on_trial(shop: &Namespace) -> Result<Load> {
    let server = Server { replicas: 2, spec: FULL_SURGE, ..Server::new("server") };
    shop.apply(&server.manifest()).await?;
    shop.rolled_out("server").await?;
    // The step cannot end: it wants more requests than there will be.
    let steps = "steps: [{weight: 20, hold: 1h, minRequests: 1000000000}]";
    shop.apply(&rollout::manifest("server", steps)).await?;
    shop.rollout_guards("server").await?;
    let load = Load::start(shop, "load", "http://server:8080/", 200).await?;
    shop.apply(&Server { version: "v2", ..server }.manifest()).await?;
    eventually("a fifth is on trial", Duration::from_secs(60), || async {
        let status = shop.rollout("server").await?;
        ensure!(status.observed_weight == Some(2000), "{}", rollout::in_short(&status));
        Ok(())
    })
    .await?;
    load.reset().await?;
    Ok(load)
}

async fn outage(shop: &Namespace, load: &Load) -> Result<()> {
    let span = Duration::from_secs(60);
    mesh::sleep().await?;
    let stable = shop.pods("app=server,version=v1").await?.pop().context("no pod")?;
    let name = stable.metadata.name.context("a pod has a name")?;
    // Its replacement comes up without a proxy, as nobody injects it; that it is served is not
    // claimed here.
    kubectl(["delete", "pod", "-n", &shop.name, &name, "--wait=false"]).await?;
    throughout("no request fails", span, || async { load.expect_no_failure(0).await.map(drop) })
        .await?;
    a_fifth_is_on_trial(&load.expect_no_failure(200 * span.as_secs() / 2).await?)
}
