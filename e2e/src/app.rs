//! Manifests of the applications that tests run: testkit in its many forms.

use std::fmt::Write as _;

/// A Deployment of testkit's server with its Service and service account.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    /// The name of all three.
    pub name: &'a str,
    /// What it says it is.
    pub version: &'a str,
    /// How many pods.
    pub replicas: u32,
    /// Flags besides.
    pub flags: &'a [&'a str],
    /// Lines of the Deployment's spec, such as `strategy: {type: Recreate}`.
    pub spec: &'a str,
}

impl<'a> Server<'a> {
    /// One pod of a server.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self { name, version: "v1", replicas: 1, flags: &[], spec: "" }
    }

    /// Its manifests.
    #[must_use]
    pub fn manifest(&self) -> String {
        let Self { name, version, replicas, flags, spec } = self;
        let mut arguments = format!("server, --name={name}, --version={version}, --port=8080");
        for flag in *flags {
            // Writing to a String cannot fail.
            let _written = write!(arguments, ", \"{flag}\"");
        }
        let account = account(name);
        format!(
            "{account}---
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 8080}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  {spec}
  template:
    metadata: {{labels: {{app: {name}, version: {version}}}}}
    spec:
      serviceAccountName: {name}
      containers:
        - name: app
          image: {IMAGE}
          args: [{arguments}]
          ports: [{{containerPort: 8080}}]
          readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}
          resources: {{requests: {{cpu: 5m, memory: 16Mi}}}}
"
        )
    }
}

/// A Deployment that sleeps, to run commands in.
#[must_use]
pub fn shell(name: &str) -> String {
    let account = account(name);
    format!(
        "{account}---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: {name}
      terminationGracePeriodSeconds: 1
      containers: [{{name: app, image: {IMAGE}, args: [sleep], resources: {{requests: {{cpu: 5m}}}}}}]
"
    )
}

/// A Deployment of the load generator, with its own page of counts on port 9000.
#[must_use]
pub fn load(name: &str, url: &str, rate: u32, flags: &[&str]) -> String {
    let account = account(name);
    let mut arguments =
        format!("load, \"--url={url}\", --rate={rate}, --connections=8, \"--serve=:9000\"");
    for flag in flags {
        // Writing to a String cannot fail.
        let _written = write!(arguments, ", \"{flag}\"");
    }
    format!(
        "{account}---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: {name}
      terminationGracePeriodSeconds: 2
      containers:
        - {{name: app, image: {IMAGE}, args: [{arguments}], resources: {{requests: {{cpu: 5m}}}}}}
"
    )
}

fn account(name: &str) -> String {
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n")
}

/// The image with every application.
pub const IMAGE: &str = "serin.dev/testkit:0.1.0";
