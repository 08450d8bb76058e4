//! Who may talk to whom, and who the other is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::{self, Server},
    eventually, mesh,
    namespace::{Injection, within},
    world::run,
};
use testkit::{client::http::Got, server::Described};

#[test]
fn a_request_between_meshed_pods_names_its_client() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "mtls", Injection::On, |shop| async move {
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("client").await?;
            let seen = described(&shop, "deploy/client", "http://server:8080/").await?;
            let id = format!("spiffe://cluster.local/ns/{}/sa/client", shop.name);
            let header = seen.header("x-forwarded-client-cert").context("no client certificate")?;
            ensure!(header.contains(&format!("URI={id}")), "{header}");
            ensure!(seen.peer.starts_with("127.0.0.6:"), "{}", seen.peer);
            let metrics = metrics_of(&shop, "app=server").await?;
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
        described(&shop, "deploy/outsider", "http://server:8080/").await?;
        mesh::mtls("Strict").await?;
        eventually("plain text is refused", Duration::from_secs(20), || async {
            let got = request(&shop, "deploy/outsider", "http://server:8080/").await?;
            ensure!(matches!(got, Got::Nothing { .. }), "{got:?}");
            Ok(())
        })
        .await?;
        described(&shop, "deploy/insider", "http://server:8080/").await?;
        Ok(())
    })
    .await
}

/// What the server saw of a request.
async fn described(shop: &Namespace, from: &str, url: &str) -> Result<Described> {
    eventually("an answer", Duration::from_secs(20), || async {
        match request(shop, from, url).await? {
            Got::Answer(answer) if answer.status == 200 => Ok(serde_json::from_str(&answer.body)?),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
}

async fn request(shop: &Namespace, from: &str, url: &str) -> Result<Got> {
    // The client exits with 1 or 2 for what is no success; what it prints counts here.
    let command = format!("--url={url}");
    let said = shop.testkit(from, &["http-client", &command, "--timeout=3s"]).await;
    let text = said.or_else(|error| {
        let text = format!("{error:#}");
        let json = text.find('{').and_then(|at| text.split_at_checked(at));
        json.map(|(_, json)| json.to_owned()).ok_or(error)
    })?;
    let line = text.lines().next().unwrap_or_default();
    serde_json::from_str(line).or_else(|_pretty| serde_json::from_str(&text)).with_context(|| text)
}

async fn metrics_of(shop: &Namespace, selector: &str) -> Result<String> {
    let pod = shop.pods(selector).await?.pop().context("no pod")?;
    let ip = pod.status.and_then(|status| status.pod_ip).context("no address")?;
    match request(shop, "deploy/client", &format!("http://{ip}:15020/metrics")).await? {
        Got::Answer(answer) => Ok(answer.body),
        Got::Nothing { error } => anyhow::bail!("no metrics: {error}"),
    }
}
