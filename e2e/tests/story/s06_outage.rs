//! Everything but the proxies is away, and nobody notices.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
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

#[test]
fn without_operator_control_plane_and_webhook_no_request_fails_and_back_again_nothing_jumps() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "outage", Injection::On, |shop| async move {
            let span = shop.world().amount(Duration::from_secs(30), Duration::from_secs(60));
            let load = on_trial(&shop).await?;
            let before = shop.rollout("server").await?;
            let outcome = Box::pin(outage(&shop, &load, span)).await;
            mesh::wake().await?;
            outcome?;
            load.reset().await?;
            let held = before.desired_weight.context("no weight")?;
            throughout("nothing jumps", Duration::from_secs(15), || async {
                let now = shop.rollout("server").await?;
                let weight = now.desired_weight.context("no weight")?;
                ensure!(weight <= held, "the weight rose: {}", rollout::in_short(&now));
                ensure!(now.step == before.step, "a step: {}", rollout::in_short(&now));
                ensure!(now.rollback.is_none(), "withdrawn: {}", rollout::in_short(&now));
                Ok(())
            })
            .await?;
            load.expect_no_failure(1000).await.map(drop)
        })
        .await
    });
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

async fn outage(shop: &Namespace, load: &Load, span: Duration) -> Result<()> {
    mesh::sleep().await?;
    let stable = shop.pods("app=server,version=v1").await?.pop().context("no pod")?;
    let name = stable.metadata.name.context("a pod has a name")?;
    // Its replacement comes up without a proxy, as nobody injects it; that it is served is not
    // claimed here.
    kubectl(["delete", "pod", "-n", &shop.name, &name, "--wait=false"]).await?;
    throughout("no request fails", span, || async { load.expect_no_failure(0).await.map(drop) })
        .await?;
    let stats = load.expect_no_failure(200 * span.as_secs() / 2).await?;
    let (v1, v2) = (stats.version("v1").total, stats.version("v2").total);
    ensure!(v1 > 0 && v2 > 0, "the weights are forgotten: {:?}", stats.by_version);
    Ok(())
}
