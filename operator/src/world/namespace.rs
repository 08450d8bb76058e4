//! Namespaces: which want proxies, and which are about to go.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;

/// What is kept of a Namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NamespaceFacts {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) leaving: bool,
}

pub(super) fn keep(namespace: &Namespace) -> Option<NamespaceFacts> {
    Some(NamespaceFacts {
        labels: namespace.metadata.labels.clone().unwrap_or_default(),
        leaving: namespace.metadata.deletion_timestamp.is_some(),
    })
}
