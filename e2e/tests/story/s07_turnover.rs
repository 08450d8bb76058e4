//! Pods come and go, and nobody notices.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
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
            kubectl(["rollout", "restart", "-n", &shop.name, "deploy/server"]).await?;
            shop.rolled_out("server").await?;
            gone_down_to(&shop, 6).await?;
            load.expect_no_failure(200).await?;

            load.reset().await?;
            kubectl(["scale", "-n", &shop.name, "deploy/server", "--replicas=1"]).await?;
            gone_down_to(&shop, 1).await?;
            load.expect_no_failure(200).await?;
            Ok(())
        })
        .await
    });
}

/// Waits until as many pods are left, the deleted ones gone for good.
async fn gone_down_to(shop: &e2e::Namespace, count: usize) -> Result<()> {
    eventually("deleted pods are gone", Duration::from_secs(90), || async {
        let listed =
            kubectl(["get", "pods", "-n", &shop.name, "-l", "app=server", "-o", "name"]).await?;
        let left = listed.lines().count();
        ensure!(left == count, "{left} pods");
        Ok(())
    })
    .await
}
