//! Which pods are left alone, and which must not be made as they are.

use api::{names, webhook_config::WebhookConfig};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::{Circumstances, annotations::Invalid};

/// Why a pod stays as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeftAlone {
    /// It has no spec.
    NoSpec,
    /// It says so itself, by label or annotation.
    OptedOut,
    /// It uses the node's network, which is not ours to redirect.
    HostNetwork,
    /// It lives in a namespace that no mesh may touch.
    SystemNamespace,
    /// It has the proxy of another mesh.
    OtherMesh,
    /// The kubelet made it from a file; its spec cannot be changed.
    MirrorPod,
    /// It does not run on Linux.
    NotLinux,
}

/// Why a pod must not be made as it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// A container runs as the proxy's user, whose traffic is not redirected.
    #[error(
        "container {container:?} runs as user {uid}, which is the Serin proxy's own and bypasses the mesh: set \
         securityContext.runAsUser to another user, or label the pod serin.dev/injection=disabled",
        uid = names::PROXY_UID
    )]
    ProxyUser {
        /// The container.
        container: String,
    },
    /// A container has a name that the proxy's containers have.
    #[error("container {container:?} has a name that Serin reserves: rename it")]
    ReservedName {
        /// The container.
        container: String,
    },
    /// The namespace forbids what the init container needs.
    #[error(
        "namespace {namespace:?} enforces Pod Security level {level:?}, which forbids the capability NET_ADMIN that \
         the init container serin-redirect needs: label the namespace \
         pod-security.kubernetes.io/enforce=privileged, or the pod serin.dev/injection=disabled"
    )]
    PodSecurity {
        /// The namespace.
        namespace: String,
        /// The level it enforces.
        level: String,
    },
    /// An annotation cannot be used.
    #[error(transparent)]
    Annotation(#[from] Invalid),
}

impl LeftAlone {
    /// A name for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoSpec => "no_spec",
            Self::OptedOut => "opted_out",
            Self::HostNetwork => "host_network",
            Self::SystemNamespace => "system_namespace",
            Self::OtherMesh => "other_mesh",
            Self::MirrorPod => "mirror_pod",
            Self::NotLinux => "not_linux",
        }
    }

    /// What the pod's author should be told, if anything.
    #[must_use]
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::OtherMesh => Some(
                "the pod has the proxy of another mesh: Serin leaves it alone; remove the other mesh's injection \
                 label to let Serin take over",
            ),
            Self::HostNetwork => Some(
                "the pod uses the node's network (hostNetwork: true): Serin cannot redirect it and leaves it alone",
            ),
            Self::NoSpec
            | Self::OptedOut
            | Self::SystemNamespace
            | Self::MirrorPod
            | Self::NotLinux => None,
        }
    }
}

/// Why `pod` stays as it is, if it does.
pub(super) fn left_alone(
    pod: &Pod,
    spec: &PodSpec,
    config: &WebhookConfig,
    around: &Circumstances,
) -> Option<LeftAlone> {
    let namespace = around.namespace.as_str();
    if PROTECTED.contains(&namespace) || namespace == config.system_namespace {
        return Some(LeftAlone::SystemNamespace);
    }
    if pod_says(pod, names::INJECTION, names::DISABLED)
        || (config.honour_istio_labels && pod_says(pod, names::ISTIO_INJECT, "false"))
    {
        return Some(LeftAlone::OptedOut);
    }
    if spec.host_network == Some(true) {
        return Some(LeftAlone::HostNetwork);
    }
    if annotation(pod, "kubernetes.io/config.mirror").is_some() {
        return Some(LeftAlone::MirrorPod);
    }
    if spec.os.as_ref().is_some_and(|os| os.name != "linux") {
        return Some(LeftAlone::NotLinux);
    }
    containers(spec)
        .any(|container| OTHER_PROXIES.contains(&container.name.as_str()))
        .then_some(LeftAlone::OtherMesh)
}

/// Whether the pod has our proxy already.
pub(super) fn has_proxy(spec: &PodSpec) -> bool {
    proxy_of(spec).is_some()
}

/// Our proxy, and its place among the init containers.
pub(super) fn proxy_of(spec: &PodSpec) -> Option<(usize, &Container)> {
    let is_proxy = |container: &Container| container.name == names::PROXY_CONTAINER;
    spec.init_containers.iter().flatten().enumerate().find(|(_, it)| is_proxy(it) && is_ours(it))
}

/// Whether the pod may be made.
pub(super) fn check(spec: &PodSpec, around: &Circumstances) -> Result<(), Refused> {
    let pod_user = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    for container in containers(spec).filter(|container| !is_ours(container)) {
        let own = container.security_context.as_ref().and_then(|context| context.run_as_user);
        let name = || container.name.clone();
        if own.or(pod_user) == Some(names::PROXY_UID) {
            return Err(Refused::ProxyUser { container: name() });
        }
        if container.name == names::PROXY_CONTAINER {
            return Err(Refused::ReservedName { container: name() });
        }
    }
    match &around.pod_security {
        Some(level) if level != "privileged" => {
            Err(Refused::PodSecurity { namespace: around.namespace.clone(), level: level.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// The native sidecar or the init container that an earlier call added.
fn is_ours(container: &Container) -> bool {
    match container.name.as_str() {
        names::PROXY_CONTAINER => container.restart_policy.as_deref() == Some("Always"),
        names::REDIRECT_CONTAINER => true,
        _ => false,
    }
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// Labels are how injection is chosen; annotations are honoured too, as Istio does.
fn pod_says(pod: &Pod, name: &str, value: &str) -> bool {
    let label = pod.metadata.labels.as_ref().and_then(|labels| labels.get(name));
    label.map(String::as_str).or_else(|| annotation(pod, name)) == Some(value)
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

const PROTECTED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
const OTHER_PROXIES: [&str; 4] =
    ["istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar"];
