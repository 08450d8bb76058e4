//! Removes a cluster, whole or half made, running or crashed, and nothing else.
//!
//! Only what the cluster itself recorded or what lies in its own directory is ended, unmounted or
//! deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::plan::{Node, Plan};
use super::{control_plane, daemon, network, node};
use crate::command;
use crate::progress::step;

/// Ends every process, container and mount of the cluster, then deletes its directory.
pub(super) fn run(plan: &Plan) -> Result<()> {
    step(&format!("remove cluster {}", plan.name), || {
        for node in &plan.nodes {
            // The kubelet first: it would start containers again.
            daemon::stop(&node.dir, "kubelet")?;
        }
        for name in control_plane::DAEMONS {
            daemon::stop(&plan.first().dir, name)?;
        }
        for node in &plan.nodes {
            for name in node::DAEMONS {
                daemon::stop(&node.dir, name)?;
            }
            end_containers(node)?;
        }
        unmount_below(&plan.dir)?;
        network::remove(plan)?;
        for node in &plan.nodes {
            remove_cgroups(node)?;
            remove_traces(node)?;
        }
        if plan.dir.exists() {
            fs::remove_dir_all(&plan.dir)
                .with_context(|| format!("cannot delete {}", plan.dir.display()))?;
        }
        Ok(())
    })
}

/// Notes which boot the cluster belongs to.
pub(super) fn remember_boot(plan: &Plan) -> Result<()> {
    Ok(fs::write(plan.dir.join(BOOT), daemon::boot_id()?)?)
}

/// Whether the machine has been started anew since the cluster was made: then its namespaces and
/// mounts are gone and what is on disk is half a cluster.
pub(super) fn is_from_another_boot(plan: &Plan) -> Result<bool> {
    let held = fs::read_to_string(plan.dir.join(BOOT)).ok();
    let boot = daemon::boot_id()?;
    Ok(plan.dir.exists() && held.is_none_or(|held| held != boot))
}

/// Ends what containerd left running. Its shims outlive it, and each writes its pid into the
/// directory of its container, which is ours.
fn end_containers(node: &Node) -> Result<()> {
    for bundle in folders_in(&node.dir.join("containers/io.containerd.runtime.v2.task/k8s.io")) {
        for file in ["shim.pid", "init.pid"] {
            let pid = fs::read_to_string(bundle.join(file)).ok();
            if let Some(pid) = pid.and_then(|pid| pid.trim().parse().ok()) {
                daemon::end_pid(pid)?;
            }
        }
    }
    Ok(())
}

/// Unmounts everything below a directory, innermost first.
fn unmount_below(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    for target in mounts_below(&mounts, dir).into_iter().rev() {
        command::quiet(Command::new("umount").args(["--lazy"]).arg(target))?;
    }
    Ok(())
}

/// Lines are `DEVICE TARGET TYPE …`, in the order in which they were mounted.
fn mounts_below(mounts: &str, dir: &Path) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(PathBuf::from)
        .filter(|target| target.starts_with(dir) && target != dir)
        .collect()
}

/// Removes the node's cgroup from every hierarchy; by now it holds no process.
fn remove_cgroups(node: &Node) -> Result<()> {
    let name = node.cgroup();
    let name = name.trim_start_matches('/');
    for hierarchy in
        folders_in(Path::new("/sys/fs/cgroup")).into_iter().chain(["/sys/fs/cgroup".into()])
    {
        let cgroup = hierarchy.join(name);
        if cgroup.exists() {
            remove_cgroup(&cgroup)?;
        }
    }
    Ok(())
}

fn remove_cgroup(cgroup: &Path) -> Result<()> {
    for child in folders_in(cgroup) {
        remove_cgroup(&child)?;
    }
    fs::remove_dir(cgroup).with_context(|| format!("cannot remove cgroup {}", cgroup.display()))
}

/// Deletes what kubelet and CNI keep in places that cannot be chosen.
fn remove_traces(node: &Node) -> Result<()> {
    let logs = node.dir.join("pods");
    for link in entries_in(Path::new("/var/log/containers")) {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(&logs)) {
            fs::remove_file(link)?;
        }
    }
    let network = format!("{}-", node.netns);
    for result in entries_in(Path::new("/var/lib/cni/results")) {
        let name = result.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&network) {
            fs::remove_file(&result)?;
        }
    }
    Ok(())
}

fn folders_in(dir: &Path) -> Vec<PathBuf> {
    entries_in(dir).into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect()
}

fn entries_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

const BOOT: &str = "boot";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_inside_the_directory_are_taken() {
        let mounts = "overlay /var/lib/serin/a/1/rootfs overlay rw 0 0\n\
                      tmpfs /var/lib/serin/ab/1/x tmpfs rw 0 0\n\
                      tmpfs / tmpfs rw 0 0\n";
        assert_eq!(
            mounts_below(mounts, Path::new("/var/lib/serin/a")),
            [PathBuf::from("/var/lib/serin/a/1/rootfs")]
        );
    }
}
