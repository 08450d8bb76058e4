//! A cluster to run things against: one of our own, whose network has to be entered, or somebody
//! else's, of which only a kubeconfig is known.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::plan::Plan;
use super::{Which, load, network};
use crate::image::Part;
use crate::programs::Programs;
use crate::workspace::Workspace;

/// A cluster that is ready to be used.
#[derive(Debug)]
pub(crate) enum Target {
    Own {
        plan: Plan,
        /// The path to search for programs, kubectl of the cluster's version first.
        path: OsString,
    },
    Elsewhere {
        kubeconfig: PathBuf,
    },
}

impl Target {
    /// A cluster of our own that is up already.
    pub(crate) fn running(workspace: &Workspace, which: &Which) -> Result<Self> {
        Self::own(workspace, which.running()?)
    }

    /// A cluster of our own, brought up and loaded with what these parts build.
    pub(crate) fn bring_up(
        workspace: &Workspace,
        which: &Which,
        parts: &[Part],
        profile: &str,
    ) -> Result<Self> {
        let plan = which.bring_up(workspace, None, true)?;
        load::build_and_load(workspace, &plan, parts, profile, &[])?;
        Self::own(workspace, plan)
    }

    /// Somebody else's cluster, which has the images already.
    pub(crate) fn elsewhere(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = fs::canonicalize(kubeconfig)
            .with_context(|| format!("cannot find {}", kubeconfig.display()))?;
        Ok(Self::Elsewhere { kubeconfig })
    }

    /// A command that finds the cluster in KUBECONFIG and can reach it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Own { plan, path } => {
                let mut command = network::inside(&plan.first().netns, program);
                command
                    .env("KUBECONFIG", plan.kubeconfig())
                    .env("PATH", path)
                    // Lets a test stop a process or cut a link on one of our own nodes.
                    .env("SERIN_CLUSTER_DIR", &plan.dir);
                command
            }
            Self::Elsewhere { kubeconfig } => {
                let mut command = Command::new(program);
                command.env("KUBECONFIG", kubeconfig);
                command
            }
        }
    }

    fn own(workspace: &Workspace, plan: Plan) -> Result<Self> {
        let programs = Programs::ensure(workspace)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.kubernetes).chain(std::env::split_paths(&path));
        Ok(Self::Own { plan, path: std::env::join_paths(path)? })
    }
}
