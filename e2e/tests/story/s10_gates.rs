//! A gate holds what is on trial, and never what must serve.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    rollout::{self, FULL_SURGE, in_short},
    world::run,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::PostParams};
use serde_json::{Value, json};

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
            let load = Load::start(&shop, "load", "http://server:8080/", 50).await?;
            mesh::scale("serin-operator", 0).await?;
            mesh::scale("serin-webhook", 0).await?;
            let outcome = Box::pin(without_webhook(&shop, &server)).await;
            mesh::wake().await?;
            outcome?;
            let enough = || load.expect_no_failure(500);
            eventually("500 good answers", Duration::from_secs(20), enough).await.map(drop)
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
    let before = uids(&shop.pods("app=server").await?);
    let pod = shop.pods("app=server").await?.pop().context("no pod")?.name_any();
    kubectl(["delete", "pod", "-n", &shop.name, &pod, "--wait=false"]).await?;
    // A call to a webhook that has just gone may last as long as its limit of 5 s.
    let anew = eventually("another stable pod is made", Duration::from_secs(15), || async {
        let pods = shop.pods("app=server").await?;
        let is_new = |pod: &&Pod| pod.metadata.uid.as_ref().is_some_and(|it| !before.contains(it));
        pods.iter().find(is_new).map(Pod::name_any).context("not yet")
    })
    .await?;
    let failed = ["get", "events", "-n", &shop.name, "--field-selector=reason=FailedCreate"];
    let failed = kubectl(failed.into_iter().chain(["-o", "name"])).await?;
    ensure!(failed.is_empty(), "made at the first try: {failed}");
    let named = format!("pod/{anew}");
    kubectl(["wait", "--for=condition=Ready", &named, "-n", &shop.name, "--timeout=20s"]).await?;
    ready(shop, 2).await?;
    Box::pin(refuses_as_the_table_says(shop)).await?;
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

/// Of pods of a revision that is not released the policy refuses those that the webhook would have
/// given a proxy, and no others.
async fn refuses_as_the_table_says(shop: &Namespace) -> Result<()> {
    let rows = include_str!("../../../api/testdata/injection.json");
    let pods = shop.world().namespaced::<Pod>(&shop.name);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for row in serde_json::from_str::<Vec<Value>>(rows)? {
        // The labels of this namespace, and what a mesh is like by default.
        let here = row["namespace"] == json!({ "serin.dev/injection": "enabled" });
        if !here || row["istio"] == json!(true) {
            continue;
        }
        let refused = match pods.create(&dry, &unreleased(&row)?).await {
            Ok(_made) => false,
            Err(kube::Error::Api(status)) if status.message.contains("is not released yet") => true,
            Err(other) => return Err(other).with_context(|| row["what"].to_string()),
        };
        ensure!(json!(refused) == row["wanted"], "{}: refused is {refused}", row["what"]);
    }
    Ok(())
}

/// A pod of the table as if the Deployment `server` had made it from a template of its own.
fn unreleased(row: &Value) -> Result<Pod> {
    let mut pod = json!({
        "metadata": { "name": "unreleased", "annotations": row["annotations"], "labels": {} },
        "spec": { "containers": [{ "name": "app" }] },
    });
    let said = row["labels"].as_object().cloned().unwrap_or_default();
    pod["metadata"]["labels"] = Value::Object(said);
    pod["metadata"]["labels"]["pod-template-hash"] = json!("abc");
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "server-abc", "uid": "u", "controller": true,
    }]);
    for (key, value) in row["spec"].as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            container["image"] = json!("nothing");
        }
    }
    // Pods of the kubelet's own must name their node.
    pod["spec"]["nodeName"] = json!("nowhere");
    Ok(serde_json::from_value(pod)?)
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
            let load = Load::start(&shop, "load", "http://server:8080/", 50).await?;
            made_anew(&shop, &server, &load).await.context("a Deployment made anew")?;
            let scaled = scaled_to_nothing_and_back(&shop, &server, &load).await;
            scaled.context("scaling to 0 and back")?;
            recreated(&shop).await.context("Recreate")?;
            one_replica(&shop).await.context("maxUnavailable 1 with one replica")
        })
        .await
    });
}

/// While a release is held, and with its own template.
async fn made_anew(shop: &Namespace, server: &Server<'_>, load: &Load) -> Result<()> {
    let release = Server { version: "v2", ..server.clone() };
    held(shop, &release, load).await?;
    kubectl(["delete", "deployment", "server", "-n", &shop.name]).await?;
    shop.apply(&release.manifest()).await?;
    serves(shop, "server").await?;
    answers_again(load).await
}

/// While a release is held: the pods that come back are all of the new revision.
async fn scaled_to_nothing_and_back(
    shop: &Namespace,
    server: &Server<'_>,
    load: &Load,
) -> Result<()> {
    shop.rollout_guards("server").await?;
    held(shop, &Server { version: "v3", ..server.clone() }, load).await?;
    shop.scale("server", 0).await?;
    eventually("no pod is left", Duration::from_secs(60), || async {
        let left = shop.pods("app=server").await?.len();
        ensure!(left == 0, "{left} pods");
        Ok(())
    })
    .await?;
    shop.scale("server", 2).await?;
    serves(shop, "server").await?;
    answers_again(load).await
}

/// Applies a release and waits until it is held, which no request notices.
async fn held(shop: &Namespace, release: &Server<'_>, load: &Load) -> Result<()> {
    shop.apply(&release.manifest()).await?;
    let of_release = format!("app=server,version={}", release.version);
    eventually("the release is held", Duration::from_secs(40), || async {
        let pods = shop.pods(&of_release).await?;
        let held = |pod: &Pod| is_gated(pod) && since(pod, "ContainersReady").is_some();
        ensure!(pods.iter().any(held), "{} pods, none runs behind a gate", pods.len());
        Ok(())
    })
    .await?;
    load.expect_no_failure(1).await.map(drop)
}

/// After an outage that the user asked for: requests are answered, and none fails any more.
async fn answers_again(load: &Load) -> Result<()> {
    eventually("requests are answered again", Duration::from_secs(20), || async {
        let stats = load.stats().await?;
        if stats.failed > 0 {
            load.reset().await?;
        }
        load.expect_no_failure(100).await.map(drop)
    })
    .await
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

/// Waits until a Deployment has as many ready pods as it wants, none of which a gate has kept
/// waiting.
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
    .await?;
    for pod in shop.pods(&format!("app={name}")).await? {
        let (could, did) = (since(&pod, "ContainersReady"), since(&pod, "Ready"));
        let waited = did.context("not ready")? - could.context("its containers are not")?;
        ensure!(waited <= GATE, "a gate kept {} waiting for {waited} s", pod.name_any());
    }
    Ok(())
}

/// When a condition of a pod came true, in seconds.
fn since(pod: &Pod, condition: &str) -> Option<i64> {
    let mut conditions = pod.status.as_ref()?.conditions.as_ref()?.iter();
    let condition = conditions.find(|it| it.type_ == condition && it.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0.as_second())
}

fn uids(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect()
}

/// That so many are ready: the Deployment says so a moment after its pods do.
async fn ready(shop: &Namespace, count: i32) -> Result<()> {
    eventually("its Deployment says so", Duration::from_secs(5), || async {
        let status = shop.deployment("server").await?.status.context("no status")?;
        let ready = status.ready_replicas.unwrap_or(0);
        ensure!(ready >= count, "{ready} of {count} are ready");
        Ok(())
    })
    .await
}

fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    gates.into_iter().flatten().any(|gate| gate.condition_type == "serin.dev/promoted")
}

/// The most seconds from containers that are ready to a pod that is: the operator opens the gate
/// and the kubelet looks at it. Both times are cut to whole seconds.
const GATE: i64 = 2;

/// Steps that nothing passes while a test looks.
const STILL: &str = "steps: [{weight: 10, hold: 1h, minRequests: 1000000}]";
