//! Istio's standard metrics, at both ends.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
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

#[test]
fn a_prometheus_in_the_cluster_scrapes_every_proxy() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "prometheus", Injection::On, |shop| async move {
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(&PROMETHEUS.replace("OWN", &shop.name)).await?;
            shop.rolled_out("server").await?;
            Load::start(&shop, "load", "http://server:8080/", 50).await?;
            shop.rolled_out("prometheus").await?;
            for reporter in ["source", "destination"] {
                let counts = format!(
                    "sum(rate(istio_requests_total{{reporter=\"{reporter}\",source_workload=\"load\",\
                     destination_workload=\"server\",response_code=\"200\"}}[5s]))"
                );
                eventually("Prometheus knows the rate", Duration::from_secs(60), || async {
                    let rate = query(&shop, &counts).await?;
                    ensure!((40.0..60.0).contains(&rate), "{rate} requests a second at {reporter}");
                    Ok(())
                })
                .await?;
            }
            Ok(())
        })
        .await
    });
}

/// The one value that a query gives.
async fn query(shop: &Namespace, query: &str) -> Result<f64> {
    // What a query holds besides letters and digits is percent-encoded (RFC 3986 §2.1).
    let encoded: String = query.bytes().fold(String::new(), |mut text, byte| {
        match char::from(byte) {
            letter if letter.is_ascii_alphanumeric() => text.push(letter),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    });
    let url = format!("http://prometheus:9090/api/v1/query?query={encoded}");
    let answer = match shop.request("deploy/load", &url, &[]).await? {
        Got::Answer(answer) => answer.body,
        Got::Nothing { error } => bail!("Prometheus does not answer: {error}"),
    };
    let json: serde_json::Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
    let value = json.pointer("/data/result/0/value/1").and_then(serde_json::Value::as_str);
    Ok(value.with_context(|| answer.clone())?.parse()?)
}

/// Waits until a proxy's counter has all the labels and counts something.
async fn expect(shop: &Namespace, selector: &str, labels: &BTreeMap<&str, String>) -> Result<()> {
    eventually("a counter with the right labels", Duration::from_secs(30), || async {
        let metrics = shop.metrics("deploy/load", selector).await?;
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

/// Outside the mesh. Debian's Prometheus cannot ask Kubernetes for pods, so it asks the cluster's
/// DNS.
const PROMETHEUS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: prometheus}
data:
  prometheus.yml: |
    global: {scrape_interval: 1s}
    scrape_configs:
      - job_name: proxies
        dns_sd_configs: [{names: [proxies.OWN.svc.cluster.local], type: A, port: 15020, refresh_interval: 1s}]
---
apiVersion: v1
kind: Service
metadata: {name: proxies}
spec:
  clusterIP: None
  selector: {serin.dev/meshed: 'true'}
---
apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec:
  selector: {app: prometheus}
  ports: [{name: http, port: 9090}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prometheus}
spec:
  selector: {matchLabels: {app: prometheus}}
  template:
    metadata: {labels: {app: prometheus, serin.dev/injection: disabled}}
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: app
          image: serin.dev/prometheus:local
          args: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/tmp/data]
          readinessProbe: {httpGet: {path: /-/ready, port: 9090}, periodSeconds: 1}
          volumeMounts: [{name: config, mountPath: /etc/prometheus}]
      volumes: [{name: config, configMap: {name: prometheus}}]
"#;
