//! Deletes what kubelet, containerd and CNI keep in places that cannot be chosen: what names one of
//! our containers, and folders that nobody uses any more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cluster::plan::{CONTAINERD_NAMESPACE, Plan};

pub(super) fn remove(plan: &Plan, containers: &[String]) -> Result<()> {
    for link in entries_in(Path::new("/var/log/containers")) {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(&plan.dir)) {
            fs::remove_file(link)?;
        }
    }
    for result in entries_in(Path::new("/var/lib/cni/results")) {
        let name = result.file_name().unwrap_or_default().to_string_lossy();
        if containers.iter().any(|id| name.contains(id.as_str())) {
            fs::remove_file(&result)?;
        }
    }
    for hierarchy in folders_in(Path::new("/sys/fs/cgroup")) {
        remove_if_empty(&hierarchy.join(CONTAINERD_NAMESPACE));
    }
    remove_if_empty(&Path::new("/sys/fs/cgroup").join(CONTAINERD_NAMESPACE));
    if !any_kubelet_runs() {
        forget_device_plugins();
    }
    Ok(())
}

/// The kubelet's socket for device plugins has a fixed place. Folders that hold anything else stay.
fn forget_device_plugins() {
    let folder = Path::new("/var/lib/kubelet/device-plugins");
    for name in ["kubelet.sock", "kubelet_internal_checkpoint"] {
        drop(fs::remove_file(folder.join(name)));
    }
    remove_if_empty(folder);
    remove_if_empty(Path::new("/var/lib/kubelet"));
}

fn any_kubelet_runs() -> bool {
    entries_in(Path::new("/proc"))
        .iter()
        .any(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("kubelet")))
}

/// rmdir(2) itself refuses a folder that is in use.
fn remove_if_empty(folder: &Path) {
    drop(fs::remove_dir(folder));
}

pub(super) fn folders_in(dir: &Path) -> Vec<PathBuf> {
    entries_in(dir).into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect()
}

fn entries_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
