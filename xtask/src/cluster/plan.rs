//! What a cluster is made of: every name, address and directory follows from the cluster's name and
//! number of nodes, so that clusters side by side share nothing.

#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A cluster as it should be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: Name,
    /// Everything the cluster writes lies in here.
    pub(crate) dir: PathBuf,
    /// One to three; the first also runs the control plane.
    pub(crate) nodes: Vec<Node>,
    /// The network namespace that holds only the bridge between the nodes.
    pub(crate) fabric: String,
    /// All pods of all nodes.
    pub(crate) pod_range: String,
}

/// One machine of the cluster, which is a network namespace and some processes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What Kubernetes calls it.
    pub(crate) name: String,
    /// Counts from one.
    pub(crate) number: u8,
    pub(crate) netns: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) pod_range: String,
    pub(crate) dir: PathBuf,
}

/// A cluster's name: short, because it becomes part of names that the kernel bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Name(String);

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if name.is_empty() || name.len() > MAX_NAME || !letters {
            return Err(format!("a cluster's name is 1 to {MAX_NAME} of a-z and 0-9"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    pub(crate) fn new(state: &Path, name: &Name, nodes: u8) -> Result<Self> {
        if !(1..=MAX_NODES).contains(&nodes) {
            bail!("a cluster has 1 to {MAX_NODES} nodes");
        }
        let dir = state.join(&name.0);
        let seat = seat(&name.0);
        let nodes = (1..=nodes)
            .map(|number| Node {
                name: format!("{name}-{number}"),
                number,
                netns: format!("serin-{name}-{number}"),
                address: Ipv4Addr::new(10, 200 + seat, 0, 1 + number),
                pod_range: format!("10.{}.{number}.0/24", 140 + seat),
                dir: dir.join(number.to_string()),
            })
            .collect();
        Ok(Self {
            fabric: format!("serin-{name}-fabric"),
            pod_range: format!("10.{}.0.0/16", 140 + seat),
            name: name.clone(),
            dir,
            nodes,
        })
    }

    /// Where the API server listens, as every node and pod of the cluster reaches it.
    pub(crate) fn api_server(&self) -> String {
        format!("https://{}:6443", self.first().address)
    }

    /// The node that runs the control plane and where commands run.
    #[expect(clippy::expect_used, reason = "a plan is only made with at least one node")]
    pub(crate) fn first(&self) -> &Node {
        self.nodes.first().expect("new() refuses a cluster without nodes")
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }
}

impl Node {
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.dir.join("containerd.sock")
    }

    /// Where runc notes the containers of this node.
    pub(crate) fn runc_root(&self) -> PathBuf {
        self.dir.join("runc")
    }

    /// containerd's folder of running containers, each in a folder of its own.
    pub(crate) fn bundles(&self) -> PathBuf {
        self.dir.join("containers/io.containerd.runtime.v2.task").join(CONTAINERD_NAMESPACE)
    }
}

/// Which of fifty pairs of ranges the cluster takes. Clusters are separate namespaces and may
/// share one; different ones only make addresses in logs easier to tell apart.
fn seat(name: &str) -> u8 {
    let hash = name.bytes().fold(7_u32, |hash, byte| (hash * 31 + u32::from(byte)) % 9973);
    u8::try_from(hash % 50).unwrap_or_default()
}

/// containerd's own word for whose containers they are.
pub(crate) const CONTAINERD_NAMESPACE: &str = "k8s.io";
/// The range of Service addresses, the same in every cluster.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The API server's own Service address: the first of the range.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// The cluster DNS server's Service address.
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
pub(crate) const MAX_NODES: u8 = 3;
const MAX_NAME: usize = 12;
