//! The first node's control plane: etcd, API server, controller manager and scheduler.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::daemon::{self, Daemon};
use super::network;
use super::pki;
use super::plan::{Plan, SERVICE_RANGE};
use crate::command;
use crate::programs::Programs;

/// The names under which its processes are recorded, in the order in which they end.
pub(crate) const DAEMONS: &[&str] =
    &["kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"];

/// Starts etcd and the API server, and waits until the latter serves.
pub(crate) fn start_api_server(plan: &Plan, programs: &Programs) -> Result<()> {
    let node = plan.first();
    let etcd = programs.etcd.join("etcd");
    daemon(plan, "etcd", etcd, etcd_flags(&node.dir)).ensure()?;
    let program = programs.kubernetes.join("kube-apiserver");
    daemon(plan, "kube-apiserver", program, api_server_flags(plan)).ensure()?;
    daemon::wait_until("the API server is ready", API_SERVER_PATIENCE, || {
        command::succeeds(kubectl(plan, programs).args(["get", "--raw", "/readyz"]))
    })
    .with_context(|| {
        format!("its log is {}", daemon::log_path(&node.dir, "kube-apiserver").display())
    })
}

/// Starts what works through the API server.
pub(crate) fn start_controllers(plan: &Plan, programs: &Programs) -> Result<()> {
    let dir = &plan.first().dir;
    let manager = dir.join("controller-manager.kubeconfig");
    pki::write_kubeconfig(plan, "controller-manager", &manager)?;
    let program = programs.kubernetes.join("kube-controller-manager");
    let flags = controller_manager_flags(plan, &manager);
    daemon(plan, "kube-controller-manager", program, flags).ensure()?;

    let scheduler = dir.join("scheduler.kubeconfig");
    pki::write_kubeconfig(plan, "scheduler", &scheduler)?;
    let program = programs.kubernetes.join("kube-scheduler");
    let flags = [
        flag("kubeconfig", scheduler.display()),
        flag("authentication-kubeconfig", scheduler.display()),
        flag("authorization-kubeconfig", scheduler.display()),
        flag("leader-elect", false),
    ];
    daemon(plan, "kube-scheduler", program, flags.into()).ensure()
}

/// kubectl inside the first node's namespace, as the administrator.
pub(crate) fn kubectl(plan: &Plan, programs: &Programs) -> Command {
    let mut command = network::inside(&plan.first().netns, programs.kubectl());
    command.env("KUBECONFIG", plan.kubeconfig());
    command
}

fn daemon<'a>(
    plan: &'a Plan,
    name: &'static str,
    program: std::path::PathBuf,
    arguments: Vec<String>,
) -> Daemon<'a> {
    let node = plan.first();
    Daemon { name, dir: &node.dir, netns: &node.netns, program, arguments }
}

fn etcd_flags(dir: &Path) -> Vec<String> {
    vec![
        flag("data-dir", dir.join("etcd").display()),
        // Nothing here has to survive a power cut.
        "--unsafe-no-fsync".to_owned(),
        flag("listen-client-urls", ETCD),
        flag("advertise-client-urls", ETCD),
        flag("listen-peer-urls", "http://127.0.0.1:2380"),
        flag("log-level", "warn"),
        flag("quota-backend-bytes", 2_u64 << 30),
    ]
}

fn api_server_flags(plan: &Plan) -> Vec<String> {
    let pki = plan.pki();
    let file = |name: &str| pki.join(name).display().to_string();
    vec![
        flag("etcd-servers", ETCD),
        flag("advertise-address", plan.first().address),
        flag("service-cluster-ip-range", SERVICE_RANGE),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("allow-privileged", true),
        flag("client-ca-file", file("ca.crt")),
        flag("tls-cert-file", file("apiserver.crt")),
        flag("tls-private-key-file", file("apiserver.key")),
        flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
        flag("service-account-key-file", file("token.pub")),
        flag("service-account-signing-key-file", file("token.key")),
        flag("kubelet-client-certificate", file("apiserver-kubelet.crt")),
        flag("kubelet-client-key", file("apiserver-kubelet.key")),
        flag("kubelet-certificate-authority", file("ca.crt")),
        // Names of nodes do not resolve.
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag("requestheader-client-ca-file", file("front-proxy-ca.crt")),
        flag("requestheader-allowed-names", "front-proxy-client"),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("proxy-client-cert-file", file("front-proxy.crt")),
        flag("proxy-client-key-file", file("front-proxy.key")),
    ]
}

fn controller_manager_flags(plan: &Plan, kubeconfig: &Path) -> Vec<String> {
    let pki = plan.pki();
    let file = |name: &str| pki.join(name).display().to_string();
    vec![
        flag("kubeconfig", kubeconfig.display()),
        flag("authentication-kubeconfig", kubeconfig.display()),
        flag("authorization-kubeconfig", kubeconfig.display()),
        flag("leader-elect", false),
        flag("allocate-node-cidrs", true),
        flag("cluster-cidr", &plan.pod_range),
        flag("service-cluster-ip-range", SERVICE_RANGE),
        flag("use-service-account-credentials", true),
        flag("root-ca-file", file("ca.crt")),
        flag("service-account-private-key-file", file("token.key")),
        flag("cluster-signing-cert-file", file("ca.crt")),
        flag("cluster-signing-key-file", file("ca.key")),
    ]
}

pub(crate) fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

const ETCD: &str = "http://127.0.0.1:2379";
const API_SERVER_PATIENCE: Duration = Duration::from_secs(90);
