//! What is kept of a node.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node as KubeNode;

/// A node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Whether its kubelet says that it is well.
    pub ready: bool,
    /// Its topology zone; empty if unknown.
    pub zone: Arc<str>,
    /// The ranges that its pods get their addresses from.
    pub cidrs: Vec<IpNet>,
    /// Its own addresses, which are those of its pods in the node's network too.
    pub addresses: Vec<IpAddr>,
}

impl Node {
    /// What is kept of `node`.
    #[must_use]
    pub fn keep(node: &KubeNode) -> Option<Self> {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ready = conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True");
        let labels = node.metadata.labels.as_ref();
        let zone = labels.and_then(|labels| labels.get(ZONE)).map_or("", String::as_str).into();
        let cidrs = node.spec.iter().flat_map(|spec| spec.pod_cidrs.iter().flatten());
        let cidrs = cidrs.filter_map(|text| text.parse().ok()).collect();
        let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
        let addresses = addresses.filter_map(|address| address.address.parse::<IpAddr>().ok());
        let addresses = addresses.map(|address| address.to_canonical()).collect();
        Some(Self { ready, zone, cidrs, addresses })
    }
}

const ZONE: &str = "topology.kubernetes.io/zone";
