//! Who may talk to whom, and who the other is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace, World,
    app::{self, Server},
    eventually,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    world::run,
};
use kube::ResourceExt as _;
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
            let proven = [
                ("reporter", "destination"),
                ("source_principal", id.as_str()),
                ("connection_security_policy", "mutual_tls"),
            ];
            eventually("it is counted by name", Duration::from_secs(10), || async {
                let scrape = shop.scrape("deploy/client", "app=server").await?;
                scrape.expect_some("istio_requests_total", &proven)
            })
            .await
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

async fn plain_text(world: &World) -> Result<()> {
    within(world, "plain", Injection::On, |shop| async move {
        shop.apply(&Server::new("server").manifest()).await?;
        shop.apply(&outsider()).await?;
        shop.apply(&app::shell("insider")).await?;
        for name in ["server", "outsider", "insider"] {
            shop.rolled_out(name).await?;
        }
        shop.described("deploy/outsider", "http://server:8080/", &[]).await?;
        eventually("the plain request is counted", Duration::from_secs(10), || async {
            ensure!(plain_requests(&shop).await? > 0.0, "it is not");
            Ok(())
        })
        .await?;
        mesh::mtls("Strict").await?;
        refused(&shop).await?;
        // By the server's proxy, and not because nobody was reached: it counts connections that it
        // refused, and no further request.
        let (served, before) = (plain_requests(&shop).await?, refusals(&shop).await?);
        for _ in 0..3 {
            let got = shop.request("deploy/outsider", "http://server:8080/", &[]).await?;
            ensure!(matches!(got, Got::Nothing { .. }), "{got:?}");
        }
        let after = refusals(&shop).await?;
        ensure!(after >= before + 3.0, "{after} refusals after {before}");
        let now = plain_requests(&shop).await?;
        ensure!(now <= served, "{now} plain requests were served, before it was {served}");
        shop.described("deploy/insider", "http://server:8080/", &[]).await?;
        mesh::mtls("Permissive").await?;
        shop.described("deploy/outsider", "http://server:8080/", &[]).await.map(drop)
    })
    .await
}

#[test]
fn probes_tell_the_truth_when_strict() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let outcome = probes(&world).await;
        mesh::mtls("Permissive").await?;
        outcome
    });
}

/// The kubelet has no certificate, and yet asks in all three ways; it hears of what works and of
/// what does not.
async fn probes(world: &World) -> Result<()> {
    within(world, "probes", Injection::On, |shop| async move {
        mesh::mtls("Strict").await?;
        shop.apply(&Server::new("server").manifest()).await?;
        shop.apply(&outsider()).await?;
        shop.rolled_out("server").await?;
        shop.rolled_out("outsider").await?;
        refused(&shop).await?;
        shop.apply(&probed()).await?;
        shop.rolled_out("probed").await?;
        let pod = shop.pods("app=probed").await?.pop().context("no pod")?;
        ensure!(pod.labels().contains_key("serin.dev/meshed"), "the pod has no proxy");
        for (ratio, readiness) in [("1", false), ("0", true)] {
            let data = format!("--data={ratio}");
            let url = "--url=http://127.0.0.1:9901/admin/error-ratio";
            shop.testkit("deploy/probed", &["http-client", "--method=POST", url, &data]).await?;
            eventually("readiness follows", Duration::from_secs(20), || async {
                expect_app(&shop, "probed", readiness).await
            })
            .await?;
        }
        // Without a mesh nobody listens there; with one it must not look as if somebody did.
        for (name, probe) in [("no-tcp", "tcpSocket: {port: 1}"), ("no-grpc", "grpc: {port: 1}")] {
            let (before, after) = ("httpGet: {path: /healthz, port: 8080}", probe);
            shop.apply(&Server::new(name).manifest().replace(before, after)).await?;
            eventually("the kubelet says so", Duration::from_secs(60), || async {
                let pod = shop.pod(&format!("app={name}")).await?;
                let of = format!("--field-selector=reason=Unhealthy,involvedObject.name={pod}");
                let said = kubectl(["get", "events", "-n", &shop.name, "-o", "name", &of]).await?;
                ensure!(!said.is_empty(), "no probe of {pod} has failed");
                Ok(())
            })
            .await?;
            expect_app(&shop, name, false).await?;
        }
        Ok(())
    })
    .await
}

/// A server that the kubelet asks in all three ways, with a readiness that can be broken.
fn probed() -> String {
    let before = "readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}";
    let after = "startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 30}
          livenessProbe: {grpc: {port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}";
    let server = Server { flags: &["--admin-port=9901"], ..Server::new("probed") };
    server.manifest().replace(before, after)
}

/// That the application's container is ready or not, and was never started again.
async fn expect_app(shop: &Namespace, name: &str, ready: bool) -> Result<()> {
    let pod = shop.pods(&format!("app={name}")).await?.pop().context("no pod")?;
    let containers = pod.status.context("no status")?.container_statuses.unwrap_or_default();
    let app = containers.iter().find(|it| it.name == "app").context("no container")?;
    ensure!(app.ready == ready, "{name} is ready: {}", app.ready);
    ensure!(app.restart_count == 0, "{name} was started {} times again", app.restart_count);
    Ok(())
}

/// Waits until the server refuses plain text.
async fn refused(shop: &Namespace) -> Result<()> {
    eventually("plain text is refused", Duration::from_secs(20), || async {
        let got = shop.request("deploy/outsider", "http://server:8080/", &[]).await?;
        ensure!(matches!(got, Got::Nothing { .. }), "{got:?}");
        Ok(())
    })
    .await
}

/// Requests in plain text that the server's proxy has counted.
async fn plain_requests(shop: &Namespace) -> Result<f64> {
    let plain = [("reporter", "destination"), ("connection_security_policy", "none")];
    shop.scrape("deploy/outsider", "app=server").await?.sum("istio_requests_total", &plain)
}

/// Connections in plain text that it has refused.
async fn refusals(shop: &Namespace) -> Result<f64> {
    let refused = [("event", "refused_plain")];
    shop.scrape("deploy/outsider", "app=server").await?.sum("serin_proxy_events_total", &refused)
}

/// A pod without a proxy.
fn outsider() -> String {
    app::shell("outsider").replace(
        "metadata: {labels: {app: outsider}}",
        "metadata: {labels: {app: outsider, serin.dev/injection: disabled}}",
    )
}
