//! Which pods must not be made as they are. Which are left alone is said in [`api::injection`].

use api::names;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Circumstances, annotations::Invalid};

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
