//! All kinds of workloads: those that end, those that call themselves, those that want no mesh.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::{
    Namespace,
    app::{self, IMAGE, Server},
    eventually,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    world::run,
};
use kube::ResourceExt as _;
use testkit::client::{http::Got, job::Done};

#[test]
fn all_kinds_of_workloads_live_in_the_mesh() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "workloads", Injection::On, |shop| async move {
            shop.apply(&Server { replicas: 2, ..Server::new("server") }.manifest()).await?;
            shop.apply(&app::shell("client")).await?;
            shop.apply(&opted_out()).await?;
            shop.apply(STATEFUL).await?;
            for name in ["server", "client", "outsider"] {
                shop.rolled_out(name).await?;
            }
            a_job_completes(&shop).await.context("a job")?;
            Box::pin(a_pod_calls_itself(&shop)).await.context("a pod that calls itself")?;
            an_opted_out_pod_is_left_alone(&shop).await.context("an opted-out pod")?;
            each_stateful_pod_answers_by_name(&shop).await.context("a StatefulSet")
        })
        .await
    });
}

async fn a_job_completes(shop: &Namespace) -> Result<()> {
    let manifest = format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: job}}
spec:
  backoffLimit: 0
  template:
    metadata: {{labels: {{app: job}}}}
    spec:
      restartPolicy: Never
      containers:
        - name: app
          image: {IMAGE}
          args: [job, \"--url=http://server:8080/\", --count=20]
"
    );
    shop.apply(&manifest).await?;
    let complete = ["wait", "--for=condition=Complete", "job/job", "--timeout=90s", "-n"];
    kubectl(complete.into_iter().chain([shop.name.as_str()])).await?;
    let pod = shop.pods("app=job").await?.pop().context("no pod")?;
    ensure!(pod.labels().contains_key("serin.dev/meshed"), "the job had no proxy");
    let said = kubectl(["logs", "-n", &shop.name, "job/job", "-c", "app"]).await?;
    let done: Done = serde_json::from_str(said.trim()).with_context(|| said.clone())?;
    ensure!(done == Done { ok: 20, ..Done::default() }, "{done:?}");
    Ok(())
}

/// By its Service, which may lead anywhere, often enough to lead to itself; and by its own address.
async fn a_pod_calls_itself(shop: &Namespace) -> Result<()> {
    let pod = shop.pods("app=server").await?.pop().context("no pod")?;
    let (name, status) = (pod.name_any(), pod.status.context("no status")?);
    let address = status.pod_ip.context("no address")?;
    let by_address = shop.described(&name, &format!("http://{address}:8080/"), &[]).await?;
    ensure!(by_address.pod == name, "{} answered", by_address.pod);
    eventually("the Service leads to the caller itself", Duration::from_secs(30), || async {
        let by_service = shop.described(&name, "http://server:8080/", &[]).await?;
        ensure!(by_service.pod == name, "{} answered", by_service.pod);
        Ok(())
    })
    .await
}

fn opted_out() -> String {
    let labels = "metadata: {labels: {app: outsider}}";
    let with = "metadata: {labels: {app: outsider, serin.dev/injection: disabled}}";
    Server::new("outsider")
        .manifest()
        .replace("metadata: {labels: {app: outsider, version: v1}}", with)
        .replace(labels, with)
}

async fn an_opted_out_pod_is_left_alone(shop: &Namespace) -> Result<()> {
    let pod = shop.pods("app=outsider").await?.pop().context("no pod")?;
    let spec = pod.spec.as_ref().context("no spec")?;
    let untouched = spec.init_containers.as_ref().is_none_or(Vec::is_empty);
    ensure!(untouched && spec.containers.len() == 1, "{:?}", spec.init_containers);
    shop.described("deploy/client", "http://outsider:8080/", &[]).await?;
    shop.described("deploy/outsider", "http://server:8080/", &[]).await?;
    Ok(())
}

/// Over its headless Service: by the name of each pod, over mutual TLS.
async fn each_stateful_pod_answers_by_name(shop: &Namespace) -> Result<()> {
    let target = ["rollout", "status", "statefulset/ledger", "--timeout=90s", "-n", &shop.name];
    kubectl(target).await?;
    for number in 0..2 {
        let url = format!("http://ledger-{number}.ledger:8080/");
        let seen = shop.described("deploy/client", &url, &[]).await?;
        ensure!(seen.pod == format!("ledger-{number}"), "{} answered", seen.pod);
        let header = seen.header("x-forwarded-client-cert").context("no client certificate")?;
        ensure!(header.contains(&format!("ns/{}/sa/client", shop.name)), "{header}");
    }
    match shop.request("deploy/client", "http://ledger:8080/", &[]).await? {
        Got::Answer(answer) if answer.status == 200 => Ok(()),
        other => bail!("{other:?}"),
    }
}

const STATEFUL: &str = "apiVersion: v1
kind: Service
metadata: {name: ledger, labels: {app: ledger}}
spec:
  clusterIP: None
  selector: {app: ledger}
  ports: [{name: http, port: 8080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger, labels: {app: ledger}}
spec:
  serviceName: ledger
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      containers:
        - name: app
          image: serin.dev/testkit:0.1.0
          args: [server, --name=ledger, --port=8080]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
          resources: {requests: {cpu: 5m}}
";
