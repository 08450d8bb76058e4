//! The applications of the soak: servers that are replaced all the time with one of each kind that
//! is not, and clients of both sorts, each with a load generator for every protocol.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};
use e2e::{Namespace, app::IMAGE, eventually, load::Load};

/// One load generator: a container of every client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generator {
    pub(super) name: &'static str,
    /// What it does, besides what all do.
    flags: &'static [&'static str],
    /// Whether its conversations go on for as long as it does, so that there is nothing to count
    /// until then.
    pub(super) is_endless: bool,
}

/// In the order of their pages' ports.
pub(super) const GENERATORS: [Generator; 9] = [
    counted("http1", &["--url=http://web:8080/", "--rate=15", "--connections=4"]),
    counted("http2", &["--url=http://web:8080/", "--h2c", "--rate=15", "--connections=4"]),
    counted("grpc", &["--url=http://web:8080", "--grpc", "--rate=15", "--connections=4"]),
    // Ten seconds each.
    counted(
        "grpc-receipts",
        &["--url=http://web:8080", "--talk=receipts", "--rate=0.4", "--messages=40"],
    ),
    counted("tcp", &["--url=tcp://echo:9000", "--talk=lines", "--rate=0.4", "--messages=40"]),
    // Half a minute each.
    counted(
        "grpc-beats",
        &["--url=http://web:8080", "--talk=beats", "--rate=0.2", "--messages=120"],
    ),
    counted(
        "websocket",
        &["--url=ws://web:8080/ws", "--talk=websocket", "--rate=0.2", "--messages=120"],
    ),
    endless("grpc-endless", &["--url=http://web:8080", "--talk=beats", ENDLESS, "--connections=3"]),
    endless(
        "websocket-endless",
        &["--url=ws://web:8080/ws", "--talk=websocket", ENDLESS, "--connections=3"],
    ),
];

const ENDLESS: &str = "--messages=4000000000";

const fn counted(name: &'static str, flags: &'static [&'static str]) -> Generator {
    Generator { name, flags, is_endless: false }
}

const fn endless(name: &'static str, flags: &'static [&'static str]) -> Generator {
    Generator { name, flags, is_endless: true }
}

/// The clients: one that lives through all of it, and one that is replaced.
pub(super) const STEADY: &str = "steady";
pub(super) const RESTLESS: &str = "restless";
/// Where clients report at their end.
pub(super) const COLLECT: &str = "collect";
/// The servers that are replaced and scaled.
pub(super) const SERVERS: [&str; 2] = ["web", "echo"];
/// How many of each there are when they are at rest.
pub(super) const REPLICAS: u32 = 2;
/// Pods that live through all of it have this label.
pub(super) const VETERAN: &str = "soak=veteran";

/// Starts everything, and waits until every kind of traffic flows.
pub(super) async fn start(shop: &Namespace) -> Result<()> {
    shop.apply(&servers()).await?;
    shop.apply(&collector()).await?;
    for name in ["web", "echo", "web-veteran", "echo-veteran", COLLECT] {
        shop.rolled_out(name).await?;
    }
    for (name, age) in [(STEADY, "veteran"), (RESTLESS, "young")] {
        shop.apply(&client(name, age)).await?;
    }
    for name in [STEADY, RESTLESS] {
        shop.rolled_out(name).await?;
    }
    for (port, generator) in (FIRST_PAGE..).zip(GENERATORS) {
        let load = Load::running(shop, "deploy/steady", generator.name).on_port(port);
        eventually("every kind of traffic flows", Duration::from_secs(90), || async {
            let stats = load.stats().await?;
            let flows = stats.total > 0 || generator.is_endless && stats.connections > 0;
            ensure!(flows, "{}: {stats:?}", generator.name);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

const FIRST_PAGE: u16 = 9001;

fn servers() -> String {
    let mut all = String::new();
    for (name, age, replicas) in [("web", "young", REPLICAS), ("web-veteran", "veteran", 1)] {
        let arguments = format!("server, --name={name}, --port=8080, --say-goodbye");
        let probe = "httpGet: {path: /healthz, port: 8080}";
        let app = App { name, service: "web", age, replicas, grace: 30 };
        // A server of HTTP closes its port at once: no request is lost by that in a mesh.
        all += &app.manifest(&container("app", &arguments, probe, ""));
    }
    for (name, age, replicas) in [("echo", "young", REPLICAS), ("echo-veteran", "veteran", 1)] {
        let probe = "tcpSocket: {port: 9000}";
        let app = App { name, service: "echo", age, replicas, grace: 30 };
        // Bytes that a server has refused nobody may send to another: a server of TCP goes on
        // until callers have heard that it leaves, in a mesh as anywhere.
        let linger = "lifecycle: {preStop: {sleep: {seconds: 5}}}";
        let arguments = "tcp-echo, --port=9000, --say-goodbye";
        all += &app.manifest(&container("app", arguments, probe, linger));
    }
    all + &service("web", "{name: http, port: 8080}") + &service("echo", "{port: 9000}")
}

fn collector() -> String {
    let probe = "httpGet: {path: /healthz, port: 9100}";
    let app = App { name: COLLECT, service: COLLECT, age: "veteran", replicas: 1, grace: 5 };
    app.manifest(&container("app", "collect, --port=9100", probe, ""))
        + &service(COLLECT, "{name: http, port: 9100}")
}

/// A client with all generators; what they hold when told to stop is brought to an end.
fn client(name: &str, age: &str) -> String {
    let mut containers = String::new();
    for (port, Generator { name: kind, flags, .. }) in (FIRST_PAGE..).zip(GENERATORS) {
        let mut arguments = format!("load, --quiet, --name={name}/{kind}, \"--serve=:{port}\"");
        for flag in flags {
            // Writing to a String cannot fail.
            let _written = write!(arguments, ", \"{flag}\"");
        }
        arguments += ", \"--report=http://collect:9100/\"";
        containers += &container(kind, &arguments, "", "");
    }
    App { name, service: name, age, replicas: 1, grace: 30 }.manifest(&containers)
}

struct App<'a> {
    name: &'a str,
    service: &'a str,
    age: &'a str,
    replicas: u32,
    grace: u32,
}

impl App<'_> {
    /// Its Deployment and account.
    fn manifest(&self, containers: &str) -> String {
        let Self { name, service, age, replicas, grace } = self;
        format!(
            "apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{deployment: {name}}}}}
  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}}}
  template:
    metadata:
      labels: {{deployment: {name}, app: {service}, soak: {age}}}
    spec:
      serviceAccountName: {name}
      terminationGracePeriodSeconds: {grace}
      containers:
{containers}---
"
        )
    }
}

fn container(name: &str, arguments: &str, probe: &str, more: &str) -> String {
    let probe = if probe.is_empty() {
        String::new()
    } else {
        format!("          readinessProbe: {{{probe}, periodSeconds: 1}}\n")
    };
    let more = if more.is_empty() { String::new() } else { format!("          {more}\n") };
    format!(
        "        - name: {name}
          image: {IMAGE}
          args: [{arguments}]
          resources: {{requests: {{cpu: 2m, memory: 8Mi}}}}
{probe}{more}"
    )
}

fn service(name: &str, port: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{port}]
---
"
    )
}
