//! Istio's standard metrics, at both ends.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::Server,
    eventually,
    load::Load,
    mesh,
    namespace::{Injection, within},
    world::run,
};
use testkit::client::http::Got;

#[test]
fn both_ends_count_requests_with_the_right_labels() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "metrics", Injection::On, |shop| async move {
            shop.apply(&Server { version: "v7", ..Server::new("server") }.manifest()).await?;
            shop.rolled_out("server").await?;
            Load::start(&shop, "load", "http://server:8080/", 50).await?;
            let labels = |reporter: &str| {
                BTreeMap::from([
                    ("reporter", reporter.to_owned()),
                    ("source_workload", "load".to_owned()),
                    ("source_workload_namespace", shop.name.clone()),
                    (
                        "source_principal",
                        format!("spiffe://cluster.local/ns/{}/sa/load", shop.name),
                    ),
                    ("destination_workload", "server".to_owned()),
                    ("destination_version", "v7".to_owned()),
                    ("destination_service", format!("server.{}.svc.cluster.local", shop.name)),
                    ("destination_service_name", "server".to_owned()),
                    (
                        "destination_principal",
                        format!("spiffe://cluster.local/ns/{}/sa/server", shop.name),
                    ),
                    ("response_code", "200".to_owned()),
                    ("request_protocol", "http".to_owned()),
                    ("connection_security_policy", "mutual_tls".to_owned()),
                ])
            };
            expect(&shop, "app=load", &labels("source")).await?;
            expect(&shop, "app=server", &labels("destination")).await
        })
        .await
    });
}

/// Waits until a proxy's counter has all the labels and counts something.
async fn expect(shop: &Namespace, selector: &str, labels: &BTreeMap<&str, String>) -> Result<()> {
    eventually("a counter with the right labels", Duration::from_secs(30), || async {
        let metrics = metrics_of(shop, selector).await?;
        let fits = |line: &&str| {
            line.starts_with("istio_requests_total{")
                && labels.iter().all(|(name, value)| line.contains(&format!("{name}=\"{value}\"")))
        };
        let lines: Vec<_> =
            metrics.lines().filter(|line| line.starts_with("istio_requests_total{")).collect();
        let line = lines.iter().copied().find(|line| fits(line));
        let line = line.with_context(|| format!("{selector}: none of {lines:#?}"))?;
        let value: f64 = line.rsplit(' ').next().context("no value")?.parse()?;
        ensure!(value > 10.0, "{line}");
        for histogram in [
            "istio_request_duration_milliseconds_bucket",
            "istio_request_bytes_sum",
            "istio_response_bytes_sum",
        ] {
            ensure!(metrics.contains(histogram), "{selector} has no {histogram}");
        }
        Ok(())
    })
    .await
}

async fn metrics_of(shop: &Namespace, selector: &str) -> Result<String> {
    let pod = shop.pods(selector).await?.pop().context("no pod")?;
    let ip = pod.status.and_then(|status| status.pod_ip).context("no address")?;
    let url = format!("--url=http://{ip}:15020/metrics");
    let text = shop.testkit("deploy/load", &["http-client", &url]).await?;
    match serde_json::from_str(&text)? {
        Got::Answer(answer) => Ok(answer.body),
        Got::Nothing { error } => anyhow::bail!("no metrics: {error}"),
    }
}
