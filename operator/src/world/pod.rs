//! Pods: whether they serve, are gated, crash, and have a proxy that lives.

use std::collections::BTreeMap;

use api::{injection::Traits, names};
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::{OwnerReference, Time},
};
use model::{moment::Moment, revision::Revision};

/// What is kept of a Pod.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// The controller that made it.
    pub(crate) owner: Option<Owner>,
    /// The version of the workload that it is of.
    pub(crate) revision: Option<Revision>,
    pub(crate) node: Option<String>,
    pub(crate) address: Option<String>,
    /// What decides whether it is to have a proxy.
    pub(crate) traits: Traits,
    /// Whether it was made with a proxy.
    pub(crate) meshed: bool,
    /// Whether the proxy's container runs.
    pub(crate) proxy_running: bool,
    /// Whether all its containers have ended for good.
    pub(crate) terminal: bool,
    /// When its grace ends, if it is being deleted.
    pub(crate) deadline: Option<Moment>,
    /// Ready, gates included.
    pub(crate) ready: bool,
    /// All containers ready, gates apart.
    pub(crate) containers_ready: bool,
    pub(crate) gate: Gate,
    /// How often containers of the application crashed.
    pub(crate) crashes: u32,
    /// Why it cannot be scheduled, if it cannot.
    pub(crate) unschedulable: Option<String>,
    pub(crate) created: Moment,
}

/// A controller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owner {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// The readiness gate of rollouts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Gate {
    /// The pod has none.
    #[default]
    None,
    /// It keeps the pod from being Ready.
    Shut,
    /// It was opened.
    Open,
}

impl PodFacts {
    /// Whether it is being deleted.
    pub(crate) const fn leaving(&self) -> bool {
        self.deadline.is_some()
    }
}

pub(super) fn keep(pod: &Pod) -> Option<PodFacts> {
    let (meta, spec, status) = (&pod.metadata, pod.spec.as_ref()?, pod.status.as_ref());
    let labels = meta.labels.clone().unwrap_or_default();
    let revision = labels.get(names::POD_TEMPLATE_HASH);
    let mut init = spec.init_containers.iter().flatten();
    Some(PodFacts {
        uid: meta.uid.clone()?,
        owner: meta.owner_references.iter().flatten().find_map(controller),
        revision: revision.and_then(|text| Revision::new(text.as_str()).ok()),
        labels,
        node: spec.node_name.clone(),
        address: status.and_then(|status| status.pod_ip.clone()),
        traits: Traits::of(pod),
        meshed: init.any(|container| container.name == names::PROXY_CONTAINER),
        proxy_running: status.is_some_and(proxy_runs),
        terminal: status.is_some_and(is_terminal),
        // The deletion timestamp is when the grace ends, not when the deletion was asked for.
        deadline: meta.deletion_timestamp.as_ref().map(moment),
        ready: condition(status, "Ready"),
        containers_ready: condition(status, "ContainersReady"),
        gate: gate(pod, status),
        crashes: status.map_or(0, crashes),
        unschedulable: status.and_then(unschedulable),
        created: meta.creation_timestamp.as_ref().map_or(Moment::ZERO, moment),
    })
}

/// A time of Kubernetes' as a moment; what lies before 1970 is 1970.
pub(crate) fn moment(time: &Time) -> Moment {
    Moment::from_millis(u64::try_from(time.0.as_millisecond()).unwrap_or(0))
}

pub(super) fn controller(owner: &OwnerReference) -> Option<Owner> {
    let OwnerReference { kind, name, uid, controller, .. } = owner;
    let found = Owner { kind: kind.clone(), name: name.clone(), uid: uid.clone() };
    controller.unwrap_or(false).then_some(found)
}

fn gate(pod: &Pod, status: Option<&PodStatus>) -> Gate {
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let has = gates.clone().any(|gate| gate.condition_type == names::PROMOTED_GATE);
    match (has, condition(status, names::PROMOTED_GATE)) {
        (false, _) => Gate::None,
        (true, false) => Gate::Shut,
        (true, true) => Gate::Open,
    }
}

fn condition(status: Option<&PodStatus>, name: &str) -> bool {
    let all = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    all.clone().any(|condition| condition.type_ == name && condition.status == "True")
}

fn proxy_runs(status: &PodStatus) -> bool {
    let all = status.init_container_statuses.iter().flatten();
    let runs = |state: &ContainerStatus| {
        state.name == names::PROXY_CONTAINER
            && state.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    all.clone().any(runs)
}

fn is_terminal(status: &PodStatus) -> bool {
    matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
}

/// Restarts, and one for each container that has ended and waits to be started again.
fn crashes(status: &PodStatus) -> u32 {
    let all = status.container_statuses.iter().flatten();
    let count = |container: &ContainerStatus| {
        let ended = container.state.as_ref().is_some_and(|state| {
            let waits = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
            state.terminated.is_some() || waits == Some("CrashLoopBackOff")
        });
        u32::try_from(container.restart_count).unwrap_or(0).saturating_add(u32::from(ended))
    };
    all.map(count).sum()
}

fn unschedulable(status: &PodStatus) -> Option<String> {
    let all = status.conditions.iter().flatten();
    let mut refused = all.filter(|c| c.type_ == "PodScheduled" && c.status == "False");
    refused.next().map(|condition| condition.message.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests;
