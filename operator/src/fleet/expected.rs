//! Which pods are to have a proxy: the same rule as in the webhook's selectors
//! (`mesh::build::selector`), for pods that exist already.

use std::collections::BTreeMap;

use api::names;

use crate::world::PodFacts;

/// What decides besides labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    /// The mesh's own namespace, which is never meshed.
    pub(crate) own: &'a str,
    /// Whether Istio's labels count.
    pub(crate) honour_istio_labels: bool,
}

impl Rule<'_> {
    /// Whether `pod` in `namespace`, which has `labels`, is to have a proxy.
    pub(crate) fn wants_proxy(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        pod: &PodFacts,
    ) -> bool {
        let possible = !pod.host_network && !pod.mirror && !self.is_never(namespace);
        possible && (serin_wants(labels, pod) || self.istio_wants(labels, pod))
    }

    /// Whether pods of a namespace with these labels get a proxy, where they say nothing
    /// themselves.
    pub(crate) fn is_meshed(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.wants_proxy(namespace, labels, &PodFacts::default())
    }

    fn is_never(&self, namespace: &str) -> bool {
        namespace == self.own || namespace == "kube-system"
    }

    fn istio_wants(&self, namespace: &BTreeMap<String, String>, pod: &PodFacts) -> bool {
        let silent = |labels| text(labels, names::INJECTION).is_none();
        let own = text(&pod.labels, names::ISTIO_INJECT);
        let by_namespace = text(namespace, names::ISTIO_INJECTION) == Some(names::ENABLED);
        let wants = if by_namespace { own != Some("false") } else { own == Some("true") };
        self.honour_istio_labels && silent(namespace) && silent(&pod.labels) && wants
    }
}

fn serin_wants(namespace: &BTreeMap<String, String>, pod: &PodFacts) -> bool {
    let own = text(&pod.labels, names::INJECTION);
    match text(namespace, names::INJECTION) {
        Some(names::ENABLED | names::REQUIRED) => own != Some(names::DISABLED),
        Some(_) | None => own == Some(names::ENABLED),
    }
}

fn text<'a>(labels: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    labels.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests;
