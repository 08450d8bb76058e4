//! Removes a cluster, whole or half made, running or crashed, and nothing else.
//!
//! Only what the cluster itself recorded or what lies in its own directory is ended, unmounted or
//! deleted.

mod container;
mod leftover;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::plan::Plan;
use super::{control_plane, daemon, network, node};
use crate::command;
use crate::progress::step;

/// Ends every process, container and mount of the cluster, then deletes its directory.
pub(super) fn run(plan: &Plan) -> Result<()> {
    step(&format!("remove cluster {}", plan.name), || {
        end_daemons(plan)?;
        let mut containers = Vec::new();
        for node in &plan.nodes {
            containers.extend(container::end_all(node)?);
        }
        unmount_below(&plan.dir)?;
        network::remove(plan)?;
        leftover::remove(plan, &containers)?;
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

/// Kubelets first: they would start containers again.
fn end_daemons(plan: &Plan) -> Result<()> {
    for node in &plan.nodes {
        daemon::kill(&node.dir, "kubelet")?;
    }
    for name in control_plane::DAEMONS {
        daemon::kill(&plan.first().dir, name)?;
    }
    for node in &plan.nodes {
        for name in node::DAEMONS {
            daemon::kill(&node.dir, name)?;
        }
    }
    Ok(())
}

/// Unmounts everything below a directory, innermost first.
fn unmount_below(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    for target in mounts_below(&mounts, dir).into_iter().rev() {
        command::quiet(Command::new("umount").arg("--lazy").arg(target))?;
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
