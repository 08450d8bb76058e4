//! Stops a proxy in its tracks, as a node that swaps or a debugger would.
//!
//! This reaches for the process itself, so it works on nodes of this machine only.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// A proxy that stands still. It goes on when this is dropped, so that a failed test leaves none
/// behind.
#[derive(Debug)]
pub struct Frozen {
    process: String,
}

/// Freezes the proxy of a pod.
///
/// # Errors
/// If it does not run on this machine.
pub fn freeze(pod: &Pod) -> Result<Frozen> {
    let uid = pod.metadata.uid.as_deref().context("a pod has a uid")?;
    let name = pod.name_any();
    let process = process_of(uid)?
        .with_context(|| format!("the proxy of {name} does not run on this machine"))?;
    signal("STOP", &process)?;
    Ok(Frozen { process })
}

impl Frozen {
    /// Lets it go on.
    ///
    /// # Errors
    /// If it has ended meanwhile.
    pub fn thaw(self) -> Result<()> {
        signal("CONT", &self.process)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may have been thawed, or killed by its liveness probe.
        drop(signal("CONT", &self.process));
    }
}

/// The process that runs the proxy of the pod with this uid, which its environment holds.
fn process_of(uid: &str) -> Result<Option<String>> {
    let wanted = format!("POD_UID={uid}");
    for entry in std::fs::read_dir("/proc").context("no /proc")? {
        let folder = entry?.path();
        if is_proxy(&folder) && holds(&folder.join("environ"), &wanted) {
            return Ok(folder.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

fn is_proxy(process: &Path) -> bool {
    std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "serin-proxy")
}

/// Whether an environment, whose variables end with zero bytes, has this one. A process that ends
/// meanwhile has none.
fn holds(environment: &PathBuf, variable: &str) -> bool {
    let bytes = std::fs::read(environment).unwrap_or_default();
    bytes.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
}

fn signal(name: &str, process: &str) -> Result<()> {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(process).stderr(Stdio::null());
    let status = kill.status().context("kill cannot be run")?;
    ensure!(status.success(), "process {process} cannot be sent SIG{name}");
    Ok(())
}
