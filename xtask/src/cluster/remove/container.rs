//! Ends a node's containers without containerd, which may have crashed: runc's own notes and
//! containerd's folders of running containers lie in the node's directory.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::leftover::folders_in;
use crate::cluster::daemon;
use crate::cluster::plan::{CONTAINERD_NAMESPACE, Node};
use crate::command;

/// Ends all of them and the shims that held them; returns their ids.
pub(super) fn end_all(node: &Node) -> Result<Vec<String>> {
    let root = node.runc_root().join(CONTAINERD_NAMESPACE);
    let mut ids = Vec::new();
    for folder in folders_in(&root) {
        let id = folder.file_name().context("a folder has a name")?;
        ids.push(id.to_string_lossy().into_owned());
        command::quiet(
            Command::new("runc").arg("--root").arg(&root).args(["delete", "--force"]).arg(id),
        )?;
    }
    for bundle in folders_in(&node.bundles()) {
        daemon::end_working_in(&bundle, SHIM)?;
        remove_socket(&bundle)?;
    }
    Ok(ids)
}

/// A shim that is killed leaves the socket whose address it noted.
fn remove_socket(bundle: &Path) -> Result<()> {
    let address = fs::read_to_string(bundle.join("address")).unwrap_or_default();
    if let Some(socket) = address.trim().strip_prefix("unix://")
        && Path::new(socket).exists()
    {
        fs::remove_file(socket).with_context(|| format!("cannot delete {socket}"))?;
    }
    Ok(())
}

const SHIM: &str = "containerd-shim-runc-v2";
