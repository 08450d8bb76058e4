//! The root of trust is replaced under load, and no connection notices.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use api::{mesh::CaStatus, names::SYSTEM_NAMESPACE};
use e2e::{
    Namespace, World,
    app::{self, Server},
    events::{self, About},
    eventually,
    freeze::freeze,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    world::{run, say},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use serde_json::Value;
use testkit::client::{http::Got, watch::Watched};
use tokio::time::Instant;

#[test]
fn a_rotation_of_the_root_fails_no_request_and_leaves_the_old_root_nowhere() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "rotation", Injection::On, |shop| async move {
            shop.apply(&Server { replicas: 18, ..Server::new("server") }.manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("client").await?;
            let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;
            mesh::synced(shop.world(), 20).await?;
            let before = restarts(&shop).await?;
            let old = ca(shop.world()).await?.active_root.context("no root")?;
            let old_keys = keys(shop.world()).await?;
            let old_issuers = Box::pin(issuers(&shop)).await?;

            let watch = ["grpc-client", "--url=http://server:8080", "watch", "--duration=30s"];
            let (watched, rotated) =
                tokio::join!(shop.testkit("deploy/client", &watch), rotate(shop.world()));
            let (took, announced) = rotated?;
            ensure!(took <= Duration::from_secs(60), "the rotation took {took:?}");
            ensure!(announced == PHASES, "{announced:?} was announced");
            let watched = watched?;
            let last = watched.lines().last().unwrap_or_default();
            let watched: Watched = serde_json::from_str(last)?;
            ensure!(watched.is_whole(), "{watched:?}");

            load.expect_no_failure(5000).await?;
            ensure!(restarts(&shop).await? == before, "something restarted");
            let new = ca(shop.world()).await?.active_root.context("no root")?;
            ensure!(new != old, "the root is still {old}");
            let keys = keys(shop.world()).await?;
            ensure!(keys.len() == 2 && keys.is_disjoint(&old_keys), "a key is still the same");
            let issuers = Box::pin(issuers(&shop)).await?;
            ensure!(issuers.len() == 1 && issuers.is_disjoint(&old_issuers), "{issuers:?}");
            only_one_root_is_published(&shop).await?;
            Box::pin(every_proxy_trusts_only(&shop, &new)).await
        })
        .await
    });
}

#[test]
fn a_rotation_waits_for_a_frozen_proxy_and_names_it() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "stuck", Injection::On, |shop| async move {
            shop.apply(&Server { replicas: 2, ..Server::new("server") }.manifest()).await?;
            shop.rolled_out("server").await?;
            mesh::synced(shop.world(), 2).await?;
            let pod = shop.pods("app=server").await?.pop().context("no pod")?;
            let name = format!("{}/{}", shop.name, pod.name_any());
            let frozen = freeze(&pod)?;
            let stuck = stuck(shop.world(), &name).await;
            frozen.thaw()?;
            stuck?;
            finished(shop.world()).await
        })
        .await
    });
}

/// Asks for a rotation, and says how long it took and what was announced meanwhile.
async fn rotate(world: &World) -> Result<(Duration, Vec<String>)> {
    let (start, now) = (Instant::now(), Timestamp::now());
    request().await?;
    finished(world).await?;
    let took = start.elapsed();
    let about = About { kind: "MeshInstallation", namespace: "default", name: "default" };
    let announced = events::reasons(world, about, now).await?;
    say(&format!("the rotation took {took:?}: {announced:?}"));
    Ok((took, announced))
}

async fn request() -> Result<()> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    mesh::patch(&format!("{{\"spec\":{{\"ca\":{{\"rotation\":{{\"requestedAt\":\"{now}\"}}}}}}}}"))
        .await
}

/// Waits until the last request has been carried out.
async fn finished(world: &World) -> Result<()> {
    eventually("the rotation is over", Duration::from_secs(90), || async {
        let mesh = mesh::get(world).await?;
        let requested = mesh.spec.ca.rotation.requested_at.context("nothing was requested")?;
        let ca = mesh.status.and_then(|status| status.ca).context("no CA")?;
        ensure!(ca.handled_request.as_ref() == Some(&requested), "not begun: {}", in_short(&ca));
        ensure!(ca.phase == "Idle", "{}", in_short(&ca));
        Ok(())
    })
    .await
}

/// The rotation stops at the phase that the frozen proxy cannot confirm, names it, and goes no
/// further.
async fn stuck(world: &World, name: &str) -> Result<()> {
    request().await?;
    eventually("the frozen proxy is waited for", Duration::from_secs(40), || async {
        let ca = ca(world).await?;
        let alone = ca.waiting_for == [name.to_owned()];
        ensure!(ca.phase == "TrustBoth" && alone, "{}", in_short(&ca));
        let printed = kubectl(["get", "mesh", "default", "--no-headers"]).await?;
        let (done, asked) = (ca.proxies_done.unwrap_or(0), ca.proxies_asked.unwrap_or(0));
        ensure!(printed.contains(&format!("TrustBoth {done}/{asked}")), "it prints {printed}");
        ensure!(done + 1 == asked, "{done} of {asked}");
        Ok(())
    })
    .await?;
    eventually::throughout("it stays there", Duration::from_secs(5), || async {
        let ca = ca(world).await?;
        ensure!(ca.phase == "TrustBoth", "it went on: {}", in_short(&ca));
        Ok(())
    })
    .await
}

async fn ca(world: &World) -> Result<CaStatus> {
    mesh::status(world).await?.ca.context("no CA")
}

fn in_short(ca: &CaStatus) -> String {
    let CaStatus { phase, active_root, next_root, proxies_done, waiting_for, .. } = ca;
    format!("{phase}, {active_root:?} to {next_root:?}, {proxies_done:?} done, not {waiting_for:?}")
}

/// How often each container of each pod has been restarted.
async fn restarts(shop: &Namespace) -> Result<BTreeMap<String, i32>> {
    let mut all = BTreeMap::new();
    for pod in shop.pods("serin.dev/meshed=true").await? {
        let (name, status) = (pod.name_any(), pod.status.context("no status")?);
        let init = status.init_container_statuses.unwrap_or_default();
        for container in status.container_statuses.into_iter().flatten().chain(init) {
            all.insert(format!("{name}/{}", container.name), container.restart_count);
        }
    }
    Ok(all)
}

/// Hashes of the private keys that the operator keeps.
async fn keys(world: &World) -> Result<BTreeSet<u64>> {
    let secrets = world.namespaced::<Secret>(SYSTEM_NAMESPACE);
    let data = secrets.get("serin-ca-root").await?.data.context("nothing is kept")?;
    let keys = data.iter().filter(|(name, _)| name.ends_with(".key"));
    Ok(keys.map(|(_, key)| hash_of(&key.0)).collect())
}

/// What a failing test may print of a secret.
fn hash_of(secret: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    hasher.finish()
}

/// That pods that are made now trust one root.
async fn only_one_root_is_published(shop: &Namespace) -> Result<()> {
    let trust = shop.world().namespaced::<ConfigMap>(&shop.name).get("serin-trust").await?;
    let roots: usize = trust
        .data
        .unwrap_or_default()
        .values()
        .map(|text| text.matches("BEGIN CERTIFICATE").count())
        .sum();
    ensure!(roots == 1, "{roots} roots are published");
    Ok(())
}

/// Who issued the certificates that proxies hold.
async fn issuers(shop: &Namespace) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for pod in shop.pods("serin.dev/meshed=true").await? {
        let certificates = certificates(shop, &pod.name_any()).await?;
        let issuer = certificates.pointer("/certificate/issuer").and_then(Value::as_str);
        all.insert(issuer.context("no issuer")?.to_owned());
    }
    Ok(all)
}

async fn certificates(shop: &Namespace, pod: &str) -> Result<Value> {
    match shop.request(pod, "http://127.0.0.1:15000/certs", &[]).await? {
        Got::Answer(answer) => Ok(serde_json::from_str(&answer.body)?),
        Got::Nothing { error } => bail!("{pod}: {error}"),
    }
}

/// That the proxy of each pod trusts one root, whose fingerprint begins so.
async fn every_proxy_trusts_only(shop: &Namespace, root: &str) -> Result<()> {
    for pod in shop.pods("serin.dev/meshed=true").await? {
        let name = pod.name_any();
        let certificates = certificates(shop, &name).await?;
        let roots = certificates.pointer("/trust/roots").and_then(Value::as_array);
        let roots: Vec<_> = roots.into_iter().flatten().filter_map(Value::as_str).collect();
        let only = roots.len() == 1 && roots.iter().all(|held| held.starts_with(root));
        ensure!(only, "{name} trusts {roots:?} instead of only {root}");
    }
    Ok(())
}

/// What is announced of a rotation, phase by phase.
const PHASES: [&str; 6] = [
    "RotationStarted",
    "RotationTrusted",
    "RotationIssued",
    "RotationServed",
    "RotationDrained",
    "RotationRetired",
];
