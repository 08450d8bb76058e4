//! Which pods are to have a proxy, and which are left alone: the one rule of webhook, operator and
//! `serinctl`. Pure.
//!
//! It stands twice more, in forms that the API server evaluates itself: as label selectors, which
//! choose the pods that the webhook is asked about, and as the expression of the policy that holds
//! while the webhook is away. Both are built, and held against this, in `operator::mesh::build`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::names;

/// How a mesh chooses its pods.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The mesh's own namespace, which is never meshed.
    pub own: &'a str,
    /// Whether Istio's labels count, where Serin's say nothing.
    pub honour_istio_labels: bool,
}

/// What of a pod decides.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traits {
    /// Its label [`names::INJECTION`].
    pub label: Option<Word>,
    /// Its annotation of that name: it can opt out, and nothing else.
    pub annotation: Option<Word>,
    /// Its label [`names::ISTIO_INJECT`].
    pub istio_label: Option<bool>,
    /// Its annotation of that name: it can opt out, and nothing else.
    pub istio_annotation: Option<bool>,
    /// What keeps it from having a proxy, whatever is asked for.
    pub obstacle: Option<LeftAlone>,
}

/// What is said about injection. Other texts say nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// [`names::ENABLED`].
    Enabled,
    /// [`names::DISABLED`].
    Disabled,
    /// [`names::REQUIRED`].
    Required,
}

/// Why a pod stays as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeftAlone {
    /// It says so itself, by label or annotation.
    OptedOut,
    /// It lives in a namespace that no mesh may touch.
    SystemNamespace,
    /// It has no spec.
    NoSpec,
    /// It uses the node's network, which is not ours to redirect.
    HostNetwork,
    /// The kubelet made it from a file; its spec cannot be changed.
    MirrorPod,
    /// It does not run on Linux.
    NotLinux,
    /// It has the proxy of another mesh.
    OtherMesh,
}

impl Rule<'_> {
    /// Whether a pod in `namespace`, which has `labels`, is to have a proxy.
    #[must_use]
    pub fn wants_proxy(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        pod: &Traits,
    ) -> bool {
        let asked = serin_asks(labels, pod) || self.istio_asks(labels, pod);
        asked && self.left_alone(namespace, pod).is_none()
    }

    /// Whether pods of a namespace with these labels get a proxy, where they say nothing
    /// themselves.
    #[must_use]
    pub fn is_meshed(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.wants_proxy(namespace, labels, &Traits::default())
    }

    /// Why a pod in `namespace` gets no proxy although labels ask for one.
    #[must_use]
    pub fn left_alone(&self, namespace: &str, pod: &Traits) -> Option<LeftAlone> {
        if namespace == self.own || names::NEVER_MESHED.contains(&namespace) {
            return Some(LeftAlone::SystemNamespace);
        }
        if self.is_out(pod) {
            return Some(LeftAlone::OptedOut);
        }
        pod.obstacle
    }

    fn is_out(&self, pod: &Traits) -> bool {
        match pod.label.or(pod.annotation) {
            Some(word) => word == Word::Disabled,
            None => {
                let istio = pod.istio_label.or(pod.istio_annotation);
                self.honour_istio_labels && istio == Some(false)
            }
        }
    }

    /// Only where none of our own labels says anything.
    fn istio_asks(&self, namespace: &BTreeMap<String, String>, pod: &Traits) -> bool {
        let silent = Word::of(namespace, names::INJECTION).is_none() && pod.label.is_none();
        let by_namespace = text(namespace, names::ISTIO_INJECTION) == Some(names::ENABLED);
        let asks = pod.istio_label.unwrap_or(by_namespace);
        self.honour_istio_labels && silent && asks
    }
}

/// A pod's own label wins over its namespace's.
fn serin_asks(namespace: &BTreeMap<String, String>, pod: &Traits) -> bool {
    match Word::of(namespace, names::INJECTION) {
        Some(Word::Enabled | Word::Required) => pod.label != Some(Word::Disabled),
        Some(Word::Disabled) | None => pod.label == Some(Word::Enabled),
    }
}

impl Traits {
    /// Those of `pod`.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let none = BTreeMap::new();
        let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
        let annotations = pod.metadata.annotations.as_ref().unwrap_or(&none);
        let mirror = annotations.contains_key(names::MIRROR).then_some(LeftAlone::MirrorPod);
        Self {
            label: Word::of(labels, names::INJECTION),
            annotation: Word::of(annotations, names::INJECTION),
            istio_label: switch(labels),
            istio_annotation: switch(annotations),
            obstacle: match &pod.spec {
                None => Some(LeftAlone::NoSpec),
                Some(spec) => mirror.or_else(|| obstacle(spec)),
            },
        }
    }
}

fn obstacle(spec: &PodSpec) -> Option<LeftAlone> {
    if spec.host_network == Some(true) {
        return Some(LeftAlone::HostNetwork);
    }
    let wanted = spec.node_selector.as_ref().and_then(|labels| text(labels, names::NODE_OS));
    let declared = spec.os.as_ref().map(|os| os.name.as_str());
    if declared.into_iter().chain(wanted).any(|os| os != LINUX) {
        return Some(LeftAlone::NotLinux);
    }
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.any(|container| names::OTHER_PROXIES.contains(&container.name.as_str()))
        .then_some(LeftAlone::OtherMesh)
}

impl Word {
    fn of(said: &BTreeMap<String, String>, key: &str) -> Option<Self> {
        match text(said, key)? {
            names::ENABLED => Some(Self::Enabled),
            names::DISABLED => Some(Self::Disabled),
            names::REQUIRED => Some(Self::Required),
            _ => None,
        }
    }
}

/// What Istio's switch says.
fn switch(said: &BTreeMap<String, String>) -> Option<bool> {
    text(said, names::ISTIO_INJECT)?.parse().ok()
}

fn text<'a>(said: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    said.get(key).map(String::as_str)
}

impl LeftAlone {
    /// All reasons there are.
    pub const ALL: [Self; 7] = [
        Self::OptedOut,
        Self::SystemNamespace,
        Self::NoSpec,
        Self::HostNetwork,
        Self::MirrorPod,
        Self::NotLinux,
        Self::OtherMesh,
    ];

    /// A name for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::SystemNamespace => "system_namespace",
            Self::NoSpec => "no_spec",
            Self::HostNetwork => "host_network",
            Self::MirrorPod => "mirror_pod",
            Self::NotLinux => "not_linux",
            Self::OtherMesh => "other_mesh",
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
            Self::OptedOut
            | Self::SystemNamespace
            | Self::NoSpec
            | Self::MirrorPod
            | Self::NotLinux => None,
        }
    }
}

const LINUX: &str = "linux";

#[cfg(test)]
mod tests;
