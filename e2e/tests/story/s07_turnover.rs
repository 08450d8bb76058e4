//! Pods come and go, and nobody notices.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    kubectl::kubectl,
    load::Load,
    mesh,
    namespace::{Injection, within},
    world::run,
};

#[test]
fn a_rolling_restart_and_a_scale_down_fail_no_request() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "turnover", Injection::On, |shop| async move {
            shop.apply(&Server { replicas: 6, ..Server::new("server") }.manifest()).await?;
            shop.rolled_out("server").await?;
            let load = Load::start(&shop, "load", "http://server:8080/", 200).await?;
            let before = uids(&shop).await?;
            kubectl(["rollout", "restart", "-n", &shop.name, "deploy/server"]).await?;
            shop.rolled_out("server").await?;
            gone_down_to(&shop, 6).await?;
            a_thousand_and_a_second_more(&load).await?;
            let restarted = uids(&shop).await?;
            ensure!(restarted.is_disjoint(&before), "{restarted:?} of {before:?} are left");

            load.reset().await?;
            kubectl(["scale", "-n", &shop.name, "deploy/server", "--replicas=1"]).await?;
            gone_down_to(&shop, 1).await?;
            a_thousand_and_a_second_more(&load).await?;
            let left = uids(&shop).await?;
            ensure!(left.is_subset(&restarted), "{left:?} is none of {restarted:?}");
            Ok(())
        })
        .await
    });
}

/// That no request has failed, and none does in the second that follows.
async fn a_thousand_and_a_second_more(load: &Load) -> Result<()> {
    let so_far = load.expect_no_failure(0).await?;
    let least = 1000.max(so_far.total + 200);
    eventually("more requests were sent", Duration::from_secs(30), || async {
        load.expect_no_failure(least).await.map(drop)
    })
    .await
}

async fn uids(shop: &Namespace) -> Result<BTreeSet<String>> {
    let pods = shop.pods("app=server").await?;
    Ok(pods.into_iter().filter_map(|pod| pod.metadata.uid).collect())
}

/// Waits until as many pods are left, the deleted ones gone for good.
async fn gone_down_to(shop: &Namespace, count: usize) -> Result<()> {
    eventually("deleted pods are gone", Duration::from_secs(90), || async {
        let listed =
            kubectl(["get", "pods", "-n", &shop.name, "-l", "app=server", "-o", "name"]).await?;
        let left = listed.lines().count();
        ensure!(left == count, "{left} pods");
        Ok(())
    })
    .await
}
