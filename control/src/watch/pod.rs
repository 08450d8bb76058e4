//! What is kept of a pod.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use api::names;
use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, Pod as KubePod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

/// A pod that is not over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a pod")]
pub struct Pod {
    /// Its uid.
    pub uid: Arc<str>,
    /// When it was made, in seconds of Unix time.
    pub created: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What made it.
    pub owner: Option<Owner>,
    /// Its service account.
    pub service_account: Arc<str>,
    /// The node it runs on; empty while it is not scheduled.
    pub node: Arc<str>,
    /// Its own addresses; none if it has the node's.
    pub addresses: Vec<IpAddr>,
    /// Its named TCP ports.
    pub ports: Vec<NamedPort>,
    /// Whether all its containers are ready.
    pub containers_ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Serin's readiness gate, if it has it.
    pub gate: Option<Gate>,
    /// Whether it has a proxy.
    pub meshed: bool,
    /// Ports at which connections from elsewhere do not meet the proxy; none if it has none.
    pub plain_ports: BTreeSet<u16>,
    /// Whether its proxy was told to keep names of headers as they were written.
    pub keeps_case: bool,
}

/// What made a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Its kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A port that has a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedPort {
    /// The name.
    pub name: Arc<str>,
    /// The port.
    pub port: u16,
}

/// How Serin's readiness gate stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gate {
    /// The pod must not count as ready yet.
    Shut,
    /// The pod is like all others.
    Open,
}

impl Pod {
    /// What is kept of `pod`: nothing once it is over, because its addresses are free to be used
    /// again.
    #[must_use]
    pub fn keep(pod: &KubePod) -> Option<Self> {
        let (meta, spec) = (&pod.metadata, pod.spec.as_ref()?);
        let none = PodStatus::default();
        let status = pod.status.as_ref().unwrap_or(&none);
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return None;
        }
        let host_network = spec.host_network.unwrap_or_default();
        let meshed = !host_network && is_meshed(meta, spec);
        Some(Self {
            uid: meta.uid.as_deref()?.into(),
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            labels: meta.labels.clone().unwrap_or_default(),
            owner: owner(meta),
            service_account: spec.service_account_name.as_deref().unwrap_or("default").into(),
            node: spec.node_name.as_deref().unwrap_or_default().into(),
            addresses: if host_network { Vec::new() } else { addresses(status) },
            ports: ports(spec),
            containers_ready: containers_ready(status),
            deleting: meta.deletion_timestamp.is_some(),
            gate: gate(spec, status),
            meshed,
            plain_ports: if meshed { plain_ports(spec) } else { BTreeSet::new() },
            keeps_case: meshed && keeps_case(spec),
        })
    }

    /// Whether every label that `selector` asks for is there. An empty selector selects nothing: so
    /// it is for services.
    #[must_use]
    pub fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        !selector.is_empty()
            && selector.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }

    /// The value of a label; empty if it is not there.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

fn owner(meta: &ObjectMeta) -> Option<Owner> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller.unwrap_or_default())?;
    Some(Owner { kind: owner.kind.as_str().into(), name: owner.name.as_str().into() })
}

fn addresses(status: &PodStatus) -> Vec<IpAddr> {
    let all = status.pod_ips.iter().flatten().map(|address| address.ip.as_str());
    let parse = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let mut addresses: Vec<_> = all.filter_map(parse).collect();
    if addresses.is_empty() {
        addresses.extend(status.pod_ip.as_deref().and_then(parse));
    }
    addresses
}

/// Ports of containers and of sidecars, which are init containers that stay.
fn ports(spec: &PodSpec) -> Vec<NamedPort> {
    let sidecars = spec.init_containers.iter().flatten().filter(|init| is_sidecar(init));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| {
        container.ports.iter().flatten().filter_map(|port| {
            let tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
            let name = port.name.as_deref().filter(|_| tcp)?.into();
            Some(NamedPort { name, port: u16::try_from(port.container_port).ok()? })
        })
    });
    ports.collect()
}

/// The condition says it, and so does each container: a crash shows in both, in one write.
fn containers_ready(status: &PodStatus) -> bool {
    let all = |statuses: &Option<Vec<ContainerStatus>>| {
        statuses.iter().flatten().all(|container| container.ready)
    };
    is_true(status, "ContainersReady") && all(&status.container_statuses)
}

fn gate(spec: &PodSpec, status: &PodStatus) -> Option<Gate> {
    let mut gates = spec.readiness_gates.iter().flatten();
    gates.find(|gate| gate.condition_type == names::PROMOTED_GATE)?;
    Some(if is_true(status, names::PROMOTED_GATE) { Gate::Open } else { Gate::Shut })
}

fn is_true(status: &PodStatus, condition: &str) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|found| found.type_ == condition && found.status == "True")
}

/// The label alone could be copied into a template of a pod that opted out.
fn is_meshed(meta: &ObjectMeta, spec: &PodSpec) -> bool {
    let labelled = meta.labels.as_ref().is_some_and(|labels| labels.contains_key(names::MESHED));
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    labelled && containers.any(|container| container.name == names::PROXY_CONTAINER)
}

/// What the pod's redirection was told to leave alone. The annotation that asks for it can be
/// edited when the pod is long running, and what is redirected then would be spoken to in plain
/// text; the arguments of a container never change.
fn plain_ports(spec: &PodSpec) -> BTreeSet<u16> {
    let mut inits = spec.init_containers.iter().flatten();
    let redirect = inits.find(|container| container.name == names::REDIRECT_CONTAINER);
    let args = redirect.and_then(|container| container.args.as_deref()).unwrap_or_default();
    let values = args.windows(2).filter_map(|pair| match pair {
        [flag, value] if flag == names::EXCLUDE_INBOUND_PORTS_FLAG => Some(value.as_str()),
        _ => None,
    });
    let excluded = values.flat_map(|list| list.split(',')).filter_map(|port| port.parse().ok());
    // Where the proxy answers itself.
    [names::STATUS_PORT].into_iter().chain(excluded).collect()
}

/// What the proxy was told when the pod was made, whatever the annotation says now.
fn keeps_case(spec: &PodSpec) -> bool {
    let mut containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let proxy = containers.find(|container| container.name == names::PROXY_CONTAINER);
    let mut env = proxy.into_iter().flat_map(|proxy| proxy.env.iter().flatten());
    env.any(|it| it.name == names::PRESERVE_HEADER_CASE_ENV && it.value.as_deref() == Some("true"))
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

#[cfg(test)]
mod tests;
