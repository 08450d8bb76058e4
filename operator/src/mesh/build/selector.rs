//! Which pods are to have a proxy, as label selectors: each pod is meant by one of them at most.
//!
//! A pod's own label wins over its namespace's. It is the part of the rule of [`api::injection`]
//! that labels can say; the whole of it stands as CEL in [`super::expression`].

use api::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::mesh::valid::Valid;

/// One way in which a pod comes to have a proxy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Its name, a part of the webhook's.
    pub(super) name: &'static str,
    /// Namespaces.
    pub(super) namespaces: LabelSelector,
    /// Pods in them.
    pub(super) pods: LabelSelector,
}

/// All ways, each exclusive of the others.
pub(super) fn entries(valid: &Valid) -> Vec<Entry> {
    let by_namespace = Entry {
        name: "namespace",
        namespaces: elsewhere(valid, [is_in(names::INJECTION, &SERIN_YES)]),
        pods: all_of([not_in(names::INJECTION, &[names::DISABLED])]),
    };
    let by_pod = Entry {
        name: "pod",
        namespaces: elsewhere(valid, [not_in(names::INJECTION, &SERIN_YES)]),
        pods: all_of([is_in(names::INJECTION, &[names::ENABLED])]),
    };
    let mut entries = vec![by_namespace, by_pod];
    if valid.spec.injection.honour_istio_labels {
        entries.extend(istio_entries(valid));
    }
    entries
}

/// Only where none of our own labels says anything.
fn istio_entries(valid: &Valid) -> [Entry; 2] {
    let silent = || not_in(names::INJECTION, &[names::ENABLED, names::DISABLED, names::REQUIRED]);
    let by_namespace = Entry {
        name: "istio-namespace",
        namespaces: elsewhere(valid, [silent(), is_in(names::ISTIO_INJECTION, &[names::ENABLED])]),
        pods: all_of([silent(), not_in(names::ISTIO_INJECT, &["false"])]),
    };
    let by_pod = Entry {
        name: "istio-pod",
        namespaces: elsewhere(valid, [silent(), not_in(names::ISTIO_INJECTION, &[names::ENABLED])]),
        pods: all_of([silent(), is_in(names::ISTIO_INJECT, &["true"])]),
    };
    [by_namespace, by_pod]
}

/// Namespaces other than our own and the cluster's: what injection needs must not need injection.
pub(super) fn elsewhere<const N: usize>(
    valid: &Valid,
    requirements: [LabelSelectorRequirement; N],
) -> LabelSelector {
    let mut never = vec![valid.spec.namespace.0.as_str()];
    never.extend(names::NEVER_MESHED);
    let mut all = vec![not_in("kubernetes.io/metadata.name", &never)];
    all.extend(requirements);
    LabelSelector { match_expressions: Some(all), match_labels: None }
}

pub(super) fn all_of<const N: usize>(requirements: [LabelSelectorRequirement; N]) -> LabelSelector {
    LabelSelector { match_expressions: Some(requirements.into()), match_labels: None }
}

pub(super) fn is_in(key: &str, values: &[&str]) -> LabelSelectorRequirement {
    requirement(key, "In", values)
}

/// True as well where there is no such label.
fn not_in(key: &str, values: &[&str]) -> LabelSelectorRequirement {
    requirement(key, "NotIn", values)
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
    }
}

const SERIN_YES: [&str; 2] = [names::ENABLED, names::REQUIRED];

#[cfg(test)]
mod tests;
