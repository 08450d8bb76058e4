//! What runs on every node: containerd, the kubelet and kube-proxy, and their configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::control_plane::flag;
use super::daemon::{self, Daemon};
use super::pki;
use super::plan::{CONTAINERD_NAMESPACE, DNS_SERVICE, Node, Plan};
use crate::command;
use crate::image::PAUSE;
use crate::programs::Programs;

/// The names under which its processes are recorded, in the order in which they end.
pub(crate) const DAEMONS: &[&str] = &["kubelet", "kube-proxy", "containerd"];

/// Starts containerd and waits until it answers.
pub(crate) fn start_containerd(node: &Node) -> Result<()> {
    write_network_configuration(node)?;
    let config = node.dir.join("containerd.toml");
    write(&config, &containerd_configuration(node))?;
    let arguments = vec![flag("config", config.display())];
    daemon(node, "containerd", PathBuf::from("containerd"), arguments).ensure()?;
    daemon::wait_until("containerd answers", CONTAINERD_PATIENCE, || {
        command::succeeds(ctr(node).arg("version"))
    })
    .with_context(|| format!("its log is {}", daemon::log_path(&node.dir, "containerd").display()))
}

/// Starts the kubelet and kube-proxy; both wait for the API server by themselves.
pub(crate) fn start_agents(plan: &Plan, node: &Node, programs: &Programs) -> Result<()> {
    let kubeconfig = node.dir.join("kubelet.kubeconfig");
    pki::write_kubeconfig(plan, &pki::kubelet(node), &kubeconfig)?;
    let config = node.dir.join("kubelet.yaml");
    write_json(&config, &kubelet_configuration(plan, node))?;
    let arguments = vec![
        flag("config", config.display()),
        flag("kubeconfig", kubeconfig.display()),
        flag("hostname-override", &node.name),
        flag("node-ip", node.address),
        flag("root-dir", node.dir.join("kubelet").display()),
        flag("cert-dir", node.dir.join("kubelet-pki").display()),
    ];
    daemon(node, "kubelet", programs.kubernetes.join("kubelet"), arguments).ensure()?;

    let kubeconfig = node.dir.join("kube-proxy.kubeconfig");
    pki::write_kubeconfig(plan, "kube-proxy", &kubeconfig)?;
    let config = node.dir.join("kube-proxy.yaml");
    write_json(&config, &kube_proxy_configuration(plan, node, &kubeconfig.display().to_string()))?;
    let arguments = vec![flag("config", config.display())];
    daemon(node, "kube-proxy", programs.kubernetes.join("kube-proxy"), arguments).ensure()
}

/// containerd's own client, on this node's socket and Kubernetes' images and containers.
pub(crate) fn ctr(node: &Node) -> Command {
    let mut command = Command::new("ctr");
    command
        .arg("--address")
        .arg(node.containerd_socket())
        .args(["--namespace", CONTAINERD_NAMESPACE]);
    command
}

fn daemon<'a>(
    node: &'a Node,
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
) -> Daemon<'a> {
    Daemon { name, dir: &node.dir, netns: &node.netns, program, arguments }
}

fn containerd_configuration(node: &Node) -> String {
    let dir = node.dir.display();
    let socket = node.containerd_socket();
    let socket = socket.display();
    let runc = node.runc_root();
    let runc = runc.display();
    format!(
        r#"version = 2
root = "{dir}/containerd"
state = "{dir}/containers"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE a lower score than one's own cannot be set.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{runc}"
"#
    )
}

fn write_network_configuration(node: &Node) -> Result<()> {
    let config = json!({
        "cniVersion": "0.4.0",
        "name": node.netns,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "hairpinMode": true,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": node.dir.join("addresses"),
                    "ranges": [[{ "subnet": node.pod_range }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    let dir = node.dir.join("cni");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    write_json(&dir.join("10-pods.conflist"), &config)
}

fn kubelet_configuration(plan: &Plan, node: &Node) -> Value {
    let certificate = plan.pki().join(pki::kubelet(node));
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", node.containerd_socket().display()),
        "podLogsDir": node.dir.join("pods"),
        "volumePluginDir": node.dir.join("volume-plugins"),
        "tlsCertFile": certificate.with_extension("crt"),
        "tlsPrivateKeyFile": certificate.with_extension("key"),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": plan.pki().join("ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE],
        // Development machines have either version of cgroups, and often no systemd.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        // The machine's disk is its owner's business: nothing is evicted or collected for it.
        "localStorageCapacityIsolation": false,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": false,
        "makeIPTablesUtilChains": false,
    })
}

fn kube_proxy_configuration(plan: &Plan, node: &Node, kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": kubeconfig },
        "hostnameOverride": node.name,
        "clusterCIDR": plan.pod_range,
        "mode": "nftables",
        "conntrack": { "maxPerCore": 0 },
    })
}

fn write_json(path: &std::path::Path, value: &Value) -> Result<()> {
    write(path, &serde_json::to_string_pretty(value)?)
}

/// Leaves a file alone that says so already: kube-proxy ends when its configuration is written, and
/// a node that runs is to go on as it is.
fn write(path: &std::path::Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

const CONTAINERD_PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_is_written_only_if_it_says_something_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kube-proxy.yaml");
        write(&path, "a").unwrap();
        fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let modified = || fs::metadata(&path).unwrap().modified().unwrap();
        write(&path, "a").unwrap();
        assert_eq!(modified(), SystemTime::UNIX_EPOCH);
        write(&path, "b").unwrap();
        assert_ne!(modified(), SystemTime::UNIX_EPOCH);
    }
}
