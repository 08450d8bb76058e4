//! Probes of the application, rewritten so that the kubelet asks the proxy and the proxy asks the
//! application.
//!
//! The kubelet has no certificate of the mesh: under strict mTLS its HTTP, gRPC and TCP probes
//! would be refused, and a TCP probe would only ever reach the proxy's own listener. `exec` probes,
//! and probes of another host, stay as they are.

use std::collections::BTreeMap;

use api::names;
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, PodSpec, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde::Serialize;

use super::{Circumstances, patch::Builder};

/// The probes of a pod that the proxy carries out.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    rewritten: Vec<Rewritten>,
    hooks: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rewritten {
    place: Place,
    container: String,
    kind: Kind,
    probe: Probe,
    task: Task,
}

/// Where a container is in the pod's spec, before anything is added.
#[derive(Clone, Copy, Debug)]
enum Place {
    Main(usize),
    Init(usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// What the proxy is to do when the kubelet asks: an entry of `SERIN_PROBES`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Task {
    Http(HttpTask),
    Tcp(TcpTask),
    Grpc(GrpcTask),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpTask {
    port: u16,
    path: String,
    scheme: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    timeout_seconds: i32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TcpTask {
    port: u16,
    timeout_seconds: i32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GrpcTask {
    port: u16,
    service: String,
    timeout_seconds: i32,
}

impl Probes {
    /// The probes of `spec` that must be rewritten.
    pub(super) fn of(spec: &PodSpec) -> Self {
        let mut all = Self::default();
        for (index, container) in spec.containers.iter().enumerate() {
            all.collect(Place::Main(index), container);
        }
        for (index, container) in spec.init_containers.iter().flatten().enumerate() {
            let ours = [names::PROXY_CONTAINER, names::REDIRECT_CONTAINER];
            if !ours.contains(&container.name.as_str()) {
                all.collect(Place::Init(index), container);
            }
        }
        all
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rewritten.is_empty()
    }

    /// `SERIN_PROBES`: what the proxy is to do, by path.
    pub(super) fn tasks(&self) -> BTreeMap<String, serde_json::Value> {
        let task = |it: &Rewritten| Some((it.path(), serde_json::to_value(&it.task).ok()?));
        self.rewritten.iter().filter_map(task).collect()
    }

    /// Points the kubelet at the proxy, where `added` init containers now stand before the pod's
    /// own.
    pub(super) fn rewrite(&self, patch: &mut Builder, added: usize) {
        for it in &self.rewritten {
            let container = match it.place {
                Place::Main(index) => format!("/spec/containers/{index}"),
                Place::Init(index) => format!("/spec/initContainers/{}", index + added),
            };
            patch.value(&format!("{container}/{}", it.kind.field()), &it.towards_proxy());
        }
    }

    /// What cannot be rewritten and may fail.
    pub(super) fn warnings(&self, around: &Circumstances) -> Vec<String> {
        let warning = |container: &String| {
            format!(
                "container {container:?} of a pod in {:?} has a lifecycle hook of type httpGet, which the kubelet \
                 calls without a certificate: it is refused under strict mTLS; use exec instead",
                around.namespace
            )
        };
        self.hooks.iter().map(warning).collect()
    }

    fn collect(&mut self, place: Place, container: &Container) {
        for (kind, probe) in [
            (Kind::Startup, &container.startup_probe),
            (Kind::Readiness, &container.readiness_probe),
            (Kind::Liveness, &container.liveness_probe),
        ] {
            let Some(probe) = probe else { continue };
            if let Some(task) = Task::of(probe, container) {
                let (container, probe) = (container.name.clone(), probe.clone());
                self.rewritten.push(Rewritten { place, container, kind, probe, task });
            }
        }
        let hooks = container.lifecycle.iter().flat_map(|it| [&it.post_start, &it.pre_stop]);
        if hooks.flatten().any(|hook| hook.http_get.is_some()) {
            self.hooks.push(container.name.clone());
        }
    }
}

impl Rewritten {
    fn path(&self) -> String {
        format!("/app/{}/{}", self.container, self.kind.label())
    }

    /// The same probe with the same timing, asked of the proxy.
    fn towards_proxy(&self) -> Probe {
        let port = IntOrString::Int(i32::from(names::STATUS_PORT));
        let http_get = HTTPGetAction { path: Some(self.path()), port, ..Default::default() };
        let probe = self.probe.clone();
        Probe { http_get: Some(http_get), tcp_socket: None, grpc: None, ..probe }
    }
}

impl Task {
    /// What the proxy does in the kubelet's place; nothing if the probe stays as it is.
    fn of(probe: &Probe, container: &Container) -> Option<Self> {
        let timeout_seconds = probe.timeout_seconds.unwrap_or(1).max(1);
        if let Some(http) = &probe.http_get {
            let port = port_of(&http.port, container)?;
            let ours = port == names::STATUS_PORT;
            if ours || http.host.as_deref().is_some_and(|host| !host.is_empty()) {
                return None;
            }
            let headers = http.http_headers.iter().flatten();
            return Some(Self::Http(HttpTask {
                port,
                path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
                scheme: http.scheme.clone().unwrap_or_else(|| "HTTP".to_owned()),
                headers: headers.map(|it| (it.name.clone(), it.value.clone())).collect(),
                timeout_seconds,
            }));
        }
        if let Some(tcp) = &probe.tcp_socket {
            let elsewhere = tcp.host.as_deref().is_some_and(|host| !host.is_empty());
            let port = port_of(&tcp.port, container).filter(|_| !elsewhere)?;
            return Some(Self::Tcp(TcpTask { port, timeout_seconds }));
        }
        let grpc = probe.grpc.as_ref()?;
        let port = u16::try_from(grpc.port).ok()?;
        let service = grpc.service.clone().unwrap_or_default();
        Some(Self::Grpc(GrpcTask { port, service, timeout_seconds }))
    }
}

impl Kind {
    const fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }
}

/// A probe's port by number or by the name of one of the container's ports.
fn port_of(port: &IntOrString, container: &Container) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|port| port.name.as_deref() == Some(name));
            named.map(|port| port.container_port).or_else(|| name.parse().ok())?
        }
    };
    u16::try_from(number).ok().filter(|number| *number != 0)
}
