//! A gate holds what is on trial, and never what must serve.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    rollout::{self, FULL_SURGE, in_short},
    world::run,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

#[test]
fn without_the_webhook_stable_pods_come_back_and_a_new_revision_is_refused_in_a_sentence() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "no-webhook", Injection::On, |shop| async move {
            let server = Server { replicas: 2, spec: FULL_SURGE, ..Server::new("server") };
            shop.apply(&server.manifest()).await?;
            shop.apply(&Server::new("other").manifest()).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("other").await?;
            shop.apply(&rollout::manifest("server", STILL)).await?;
            shop.rollout_guards("server").await?;
            mesh::scale("serin-operator", 0).await?;
            mesh::scale("serin-webhook", 0).await?;
            let outcome = without_webhook(&shop, &server).await;
            mesh::wake().await?;
            outcome
        })
        .await
    });
}

async fn without_webhook(shop: &Namespace, server: &Server<'_>) -> Result<()> {
    eventually("the webhook is gone", Duration::from_secs(60), || async {
        let of = "app.kubernetes.io/name in (serin-webhook,serin-operator)";
        let left = kubectl(["get", "pods", "-n", "serin-system", "-l", of, "-o", "name"]).await?;
        ensure!(left.is_empty(), "{left}");
        Ok(())
    })
    .await?;
    let pod = shop.pods("app=server").await?.pop().context("no pod")?.name_any();
    kubectl(["delete", "pod", "-n", &shop.name, &pod, "--wait=false"]).await?;
    // With a webhook that fails closed this takes the outage and a back-off of half a minute.
    eventually("the stable pod is back", Duration::from_secs(20), || async {
        ready(shop, 2).await
    })
    .await?;
    shop.apply(&Server { version: "v2", ..server.clone() }.manifest()).await?;
    eventually("the new revision is refused", Duration::from_secs(20), || async {
        let deployment = shop.deployment("server").await?;
        let conditions = deployment.status.and_then(|status| status.conditions);
        let failure = conditions.unwrap_or_default().into_iter();
        let failure = failure.filter(|it| it.type_ == "ReplicaFailure").find_map(|it| it.message);
        let message = failure.context("nothing is refused")?;
        ensure!(message.contains("is not released yet"), "{message}");
        Ok(())
    })
    .await?;
    shop.apply(&Server { version: "v2", ..Server::new("other") }.manifest()).await?;
    shop.rolled_out("other").await?;
    ready(shop, 2).await
}

#[test]
fn no_gate_ever_causes_an_outage() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "gates", Injection::On, |shop| async move {
            let server = Server { replicas: 2, spec: FULL_SURGE, ..Server::new("server") };
            shop.apply(&server.manifest()).await?;
            shop.rolled_out("server").await?;
            shop.apply(&rollout::manifest("server", STILL)).await?;
            shop.rollout_guards("server").await?;
            scaled_to_nothing_and_back(&shop, &server).await.context("scaling to 0 and back")?;
            made_anew(&shop, &server).await.context("a Deployment made anew")?;
            recreated(&shop).await.context("Recreate")?;
            one_replica(&shop).await.context("maxUnavailable 1 with one replica")
        })
        .await
    });
}

/// While a release is held: the pods that come back are all of the new revision.
async fn scaled_to_nothing_and_back(shop: &Namespace, server: &Server<'_>) -> Result<()> {
    shop.apply(&Server { version: "v2", ..server.clone() }.manifest()).await?;
    eventually("the release is held", Duration::from_secs(40), || async {
        let pods = shop.pods("app=server,version=v2").await?;
        ensure!(pods.iter().any(is_gated), "{} pods, none with a gate", pods.len());
        Ok(())
    })
    .await?;
    shop.scale("server", 0).await?;
    eventually("no pod is left", Duration::from_secs(60), || async {
        let left = shop.pods("app=server").await?.len();
        ensure!(left == 0, "{left} pods");
        Ok(())
    })
    .await?;
    shop.scale("server", 2).await?;
    serves(shop, "server").await
}

async fn made_anew(shop: &Namespace, server: &Server<'_>) -> Result<()> {
    kubectl(["delete", "deployment", "server", "-n", &shop.name]).await?;
    shop.apply(&Server { version: "v3", ..server.clone() }.manifest()).await?;
    serves(shop, "server").await
}

async fn recreated(shop: &Namespace) -> Result<()> {
    let server = Server { spec: "strategy: {type: Recreate}", ..Server::new("recreated") };
    shop.apply(&server.manifest()).await?;
    shop.rolled_out("recreated").await?;
    shop.apply(&rollout::manifest("recreated", STILL)).await?;
    eventually("a condition names the strategy", Duration::from_secs(20), || async {
        let status = shop.rollout("recreated").await?;
        let named = status.conditions.iter().any(|it| it.message.contains("Recreate"));
        ensure!(named, "{:?}", status.conditions);
        Ok(())
    })
    .await?;
    shop.apply(&Server { version: "v2", ..server }.manifest()).await?;
    serves(shop, "recreated").await
}

async fn one_replica(shop: &Namespace) -> Result<()> {
    let spec = "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}";
    let server = Server { spec, ..Server::new("single") };
    shop.apply(&server.manifest()).await?;
    shop.rolled_out("single").await?;
    shop.apply(&rollout::manifest("single", STILL)).await?;
    shop.rollout_guards("single").await?;
    shop.apply(&Server { version: "v2", ..server }.manifest()).await?;
    serves(shop, "single").await
}

/// Waits until a Deployment has as many ready pods as it wants; a gate would keep them from being
/// ready.
async fn serves(shop: &Namespace, name: &str) -> Result<()> {
    eventually(&format!("{name} serves"), Duration::from_secs(60), || async {
        let deployment = shop.deployment(name).await?;
        let wanted = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.context("no status")?;
        let (updated, ready) = (status.updated_replicas, status.ready_replicas);
        let rollout = in_short(&shop.rollout(name).await?);
        ensure!(updated == Some(wanted), "{updated:?} of {wanted} are updated: {rollout}");
        ensure!(ready >= Some(wanted), "{ready:?} of {wanted} are ready: {rollout}");
        Ok(())
    })
    .await
}

async fn ready(shop: &Namespace, count: i32) -> Result<()> {
    let status = shop.deployment("server").await?.status.context("no status")?;
    let ready = status.ready_replicas.unwrap_or(0);
    ensure!(ready >= count, "{ready} of {count} are ready");
    Ok(())
}

fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    gates.into_iter().flatten().any(|gate| gate.condition_type == "serin.dev/promoted")
}

/// Steps that nothing passes while a test looks.
const STILL: &str = "steps: [{weight: 10, hold: 1h, minRequests: 1000000}]";
