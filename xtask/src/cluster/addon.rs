//! What is applied to a cluster before anybody uses it: its nodes' address ranges, cluster DNS and
//! the Gateway API's kinds.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::control_plane::kubectl;
use super::plan::Plan;
use crate::command;
use crate::programs::Programs;

/// Makes the Node objects before the kubelets do, so that each has the range of pod addresses that
/// routes and CNI configuration were written for.
pub(super) fn apply_nodes(plan: &Plan, programs: &Programs) -> Result<()> {
    let nodes: Vec<_> = plan
        .nodes
        .iter()
        .map(|node| {
            json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": { "name": node.name },
                "spec": { "podCIDR": node.pod_range, "podCIDRs": [node.pod_range] },
            })
        })
        .collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": nodes });
    apply(plan, programs, &list.to_string())
}

/// Applies the cluster's DNS server.
pub(super) fn apply_dns(plan: &Plan, programs: &Programs) -> Result<()> {
    apply(plan, programs, include_str!("../../kubernetes/addons/coredns.yaml"))
}

/// Applies every manifest in a folder. Some are larger than an annotation may be, hence server
/// side.
pub(super) fn apply_folder(plan: &Plan, programs: &Programs, folder: &Path) -> Result<()> {
    command::quiet(
        kubectl(plan, programs).args(["apply", "--server-side", "--filename"]).arg(folder),
    )
}

fn apply(plan: &Plan, programs: &Programs, manifest: &str) -> Result<()> {
    let mut command = kubectl(plan, programs);
    command
        .args(["apply", "--server-side", "--force-conflicts", "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start kubectl")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(manifest.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{} failed: {}", command::line(&command), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
