//! Who may talk to whom, and who the other is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app::{self, Server},
    eventually, mesh,
    namespace::{Injection, within},
    world::run,
};
use testkit::client::http::Got;

#[test]
fn a_request_between_meshed_pods_names_its_client() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "mtls", Injection::On, |shop| async move {
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("client").await?;
            let seen = shop.described("deploy/client", "http://server:8080/", &[]).await?;
            let id = format!("spiffe://cluster.local/ns/{}/sa/client", shop.name);
            let header = seen.header("x-forwarded-client-cert").context("no client certificate")?;
            ensure!(header.contains(&format!("URI={id}")), "{header}");
            ensure!(seen.peer.starts_with("127.0.0.6:"), "{}", seen.peer);
            let metrics = shop.metrics("deploy/client", "app=server").await?;
            let named = metrics.lines().any(|line| {
                line.starts_with("istio_requests_total{")
                    && line.contains(&format!("source_principal=\"{id}\""))
                    && line.contains("connection_security_policy=\"mutual_tls\"")
            });
            ensure!(named, "no metric names {id}:\n{metrics}");
            Ok(())
        })
        .await
    });
}

#[test]
fn plain_text_is_served_when_permissive_and_refused_when_strict() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let outcome = plain_text(&world).await;
        mesh::mtls("Permissive").await?;
        outcome
    });
}

async fn plain_text(world: &e2e::World) -> Result<()> {
    within(world, "plain", Injection::On, |shop| async move {
        shop.apply(&Server::new("server").manifest()).await?;
        let outsider = app::shell("outsider").replace(
            "metadata: {labels: {app: outsider}}",
            "metadata: {labels: {app: outsider, serin.dev/injection: disabled}}",
        );
        shop.apply(&outsider).await?;
        shop.apply(&app::shell("insider")).await?;
        for name in ["server", "outsider", "insider"] {
            shop.rolled_out(name).await?;
        }
        shop.described("deploy/outsider", "http://server:8080/", &[]).await?;
        mesh::mtls("Strict").await?;
        eventually("plain text is refused", Duration::from_secs(20), || async {
            let got = shop.request("deploy/outsider", "http://server:8080/", &[]).await?;
            ensure!(matches!(got, Got::Nothing { .. }), "{got:?}");
            Ok(())
        })
        .await?;
        shop.described("deploy/insider", "http://server:8080/", &[]).await?;
        Ok(())
    })
    .await
}
