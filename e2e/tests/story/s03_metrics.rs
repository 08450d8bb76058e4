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
use kube::ResourceExt as _;
use testkit::client::http::Got;

#[test]
fn both_ends_count_the_same_requests_with_the_right_labels() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "metrics", Injection::On, |shop| async move {
            shop.apply(&Server { version: "v7", ..Server::new("server") }.manifest()).await?;
            shop.apply(&Server { version: "v3", ..Server::new("client") }.manifest()).await?;
            shop.rolled_out("server").await?;
            shop.rolled_out("client").await?;
            let path = path(&shop).await?;
            let ends = [("app=client", "source"), ("app=server", "destination")];
            for (selector, reporter) in ends {
                names_are_known(&shop, selector, reporter, &path).await?;
            }
            let job = ["job", "--url=http://server:8080/", "--count=100"];
            shop.testkit("deploy/client", &job).await?;
            for _ in 0..3 {
                expect_status(&shop, 503).await?;
            }
            for (selector, reporter) in ends {
                counts(&shop, selector, reporter, &path).await?;
            }
            Ok(())
        })
        .await
    });
}

async fn expect_status(shop: &Namespace, status: u16) -> Result<()> {
    let url = format!("http://server:8080/status/{status}");
    let got = shop.request("deploy/client", &url, &[]).await?;
    ensure!(matches!(&got, Got::Answer(it) if it.status == status), "{got:?}");
    Ok(())
}

/// Sends requests until one end counts one under all labels: the very first may be over before the
/// control plane has told more of the other end than its certificate does.
async fn names_are_known(
    shop: &Namespace,
    selector: &str,
    reporter: &str,
    path: &BTreeMap<&str, String>,
) -> Result<()> {
    eventually(&format!("{selector} knows the other end"), Duration::from_secs(20), || async {
        expect_status(shop, 204).await?;
        let scrape = shop.scrape("deploy/client", selector).await?;
        scrape.expect_some("istio_requests_total", &labels(path, reporter, "204"))
    })
    .await
}

/// Every label that says between whom: the same at both ends.
async fn path(shop: &Namespace) -> Result<BTreeMap<&'static str, String>> {
    let server = shop.pods("app=server").await?.pop().context("no pod")?;
    let revision = server.labels().get("pod-template-hash").context("no revision")?;
    let principal = |name: &str| format!("spiffe://cluster.local/ns/{}/sa/{name}", shop.name);
    let owned = |value: &str| value.to_owned();
    Ok(BTreeMap::from([
        ("source_workload", owned("client")),
        ("source_workload_namespace", shop.name.clone()),
        ("source_principal", principal("client")),
        ("source_app", owned("client")),
        ("source_version", owned("v3")),
        ("source_canonical_service", owned("client")),
        ("source_canonical_revision", owned("v3")),
        ("source_cluster", owned("Kubernetes")),
        ("destination_workload", owned("server")),
        ("destination_workload_namespace", shop.name.clone()),
        ("destination_principal", principal("server")),
        ("destination_app", owned("server")),
        ("destination_version", owned("v7")),
        ("destination_canonical_service", owned("server")),
        ("destination_canonical_revision", owned("v7")),
        ("destination_revision", revision.clone()),
        ("destination_cluster", owned("Kubernetes")),
        ("destination_service", format!("server.{}.svc.cluster.local", shop.name)),
        ("destination_service_name", owned("server")),
        ("destination_service_namespace", shop.name.clone()),
        ("request_protocol", owned("http")),
        ("connection_security_policy", owned("mutual_tls")),
    ]))
}

/// Waits until one end has counted each request once, under all labels, and nothing besides.
async fn counts(
    shop: &Namespace,
    selector: &str,
    reporter: &str,
    path: &BTreeMap<&str, String>,
) -> Result<()> {
    eventually(&format!("{selector} has counted"), Duration::from_secs(20), || async {
        let scrape = shop.scrape("deploy/client", selector).await?;
        for (code, times) in [("200", 100), ("503", 3)] {
            let labels = labels(path, reporter, code);
            scrape.expect("istio_requests_total", &labels, times)?;
            for histogram in HISTOGRAMS {
                scrape.expect(&format!("{histogram}_count"), &labels, times)?;
                let all = [labels.as_slice(), &[("le", "+Inf")]].concat();
                scrape.expect(&format!("{histogram}_bucket"), &all, times)?;
            }
            let alike = [("reporter", reporter), ("response_code", code)];
            scrape.expect("istio_requests_total", &alike, times)?;
        }
        let answered = labels(path, reporter, "200");
        scrape.expect_some("istio_request_duration_milliseconds_sum", &answered)?;
        scrape.expect_some("istio_response_bytes_sum", &answered)
    })
    .await
}

/// All labels of requests that ended with this code.
fn labels<'a>(
    path: &'a BTreeMap<&str, String>,
    reporter: &'a str,
    code: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let path = path.iter().map(|(name, value)| (*name, value.as_str()));
    let end = [("reporter", reporter), ("response_code", code), ("response_flags", "-")];
    path.chain(end).collect()
}

const HISTOGRAMS: [&str; 3] =
    ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"];

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
