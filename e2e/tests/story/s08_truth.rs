//! `kubectl get mesh` tells the truth when something is wrong.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::{
    Namespace, World,
    app::Server,
    eventually,
    freeze::freeze,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    world::{run, say},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

#[test]
fn a_frozen_proxy_is_missing_from_proxies_by_name_until_it_goes_on() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "frozen", Injection::On, |shop| async move {
            shop.apply(&Server { replicas: 2, ..Server::new("server") }.manifest()).await?;
            shop.rolled_out("server").await?;
            mesh::synced(shop.world(), 2).await?;
            let pod = shop.pods("app=server").await?.pop().context("no pod")?;
            let name = format!("{}/{}", shop.name, pod.name_any());
            let frozen = freeze(&pod)?;
            let told = is_a_laggard(shop.world(), &name, Duration::from_secs(40)).await;
            frozen.thaw()?;
            told?;
            mesh::synced(shop.world(), 2).await?;
            let proxies = mesh::status(shop.world()).await?.proxies.context("no proxies")?;
            ensure!(proxies.laggards.is_empty(), "{proxies:?}");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_pod_made_while_nobody_injected_is_counted_as_unmeshed_within_ten_seconds() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "unmeshed", Injection::On, |shop| async move {
            let (name, made) = slip_past(&shop).await?;
            let counted = eventually::closely("it is counted by name", TEN, || async {
                let status = mesh::status(shop.world()).await?;
                ensure!(status.unmeshed == Some(1), "{:?} unmeshed", status.unmeshed);
                ensure!(status.unmeshed_pods.contains(&name), "{:?}", status.unmeshed_pods);
                Ok(Timestamp::now())
            })
            .await?;
            let took = counted.duration_since(made);
            say(&format!("a pod without a proxy was counted {took:#} after it was made"));
            ensure!(took.as_secs() < 10, "that took {took:#}");
            let printed = kubectl(["get", "mesh", "--no-headers"]).await?;
            ensure!(printed.split_whitespace().nth(4) == Some("1"), "{printed}");

            eventually("all are meshed again", Duration::from_secs(60), || async {
                // The API server takes a moment to ask the configuration that is back.
                kubectl(["rollout", "restart", "-n", &shop.name, "deployment"]).await?;
                shop.rolled_out("server").await?;
                let pods = shop.pods("app=server").await?;
                let meshed = pods.iter().all(|pod| pod.labels().contains_key("serin.dev/meshed"));
                ensure!(meshed, "{:?}", names(&pods));
                Ok(())
            })
            .await?;
            eventually("none is counted", TEN, || async {
                let status = mesh::status(shop.world()).await?;
                ensure!(status.unmeshed == Some(0), "{:?}", status.unmeshed_pods);
                Ok(())
            })
            .await
        })
        .await
    });
}

fn names(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(Pod::name_any).collect()
}

async fn is_a_laggard(world: &World, name: &str, within: Duration) -> Result<()> {
    eventually("the frozen proxy is named", within, || async {
        let status = mesh::status(world).await?;
        let proxies = status.proxies.context("no proxies")?;
        ensure!(proxies.synced < proxies.total, "all {} are in sync", proxies.total);
        ensure!(proxies.laggards.iter().any(|it| it == name), "{:?}", proxies.laggards);
        let shown = status.display.context("nothing to show")?;
        let (synced, total) = (proxies.synced, proxies.total);
        ensure!(shown.proxies == format!("{synced}/{total}"), "{}", shown.proxies);
        ensure!(shown.laggards.contains(name), "{}", shown.laggards);
        let printed = kubectl(["get", "mesh", "-o", "wide", "--no-headers"]).await?;
        let told = printed.contains(&shown.proxies) && printed.contains(name);
        ensure!(told, "it prints {printed}");
        Ok(())
    })
    .await
}

/// Makes pods while the webhook's configuration is deleted, as often as it takes to be faster than
/// the operator, which makes it anew; says the name of the first without a proxy, and when it was
/// made.
async fn slip_past(shop: &Namespace) -> Result<(String, Timestamp)> {
    eventually("a pod without a proxy", Duration::from_secs(60), || async {
        kubectl(["delete", "mutatingwebhookconfiguration", "serin-webhook"]).await?;
        kubectl(["delete", "deployment", "server", "-n", &shop.name, "--ignore-not-found"]).await?;
        shop.apply(&Server::new("server").manifest()).await?;
        let pod = shop.pods("app=server").await?.pop().context("no pod yet")?;
        if pod.labels().contains_key("serin.dev/meshed") {
            bail!("{} was injected", pod.name_any());
        }
        let made = pod.creation_timestamp().context("a pod has a creation time")?.0;
        Ok((format!("{}/{}", shop.name, pod.name_any()), made))
    })
    .await
}

const TEN: Duration = Duration::from_secs(10);
