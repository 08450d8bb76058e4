//! `cluster`: a real Kubernetes of one to three nodes on this machine, without Docker, registry or
//! any connection to the outside. Each node is a network namespace and the processes inside it.
//!
//! This file reads the commands; how each part of a cluster comes up and goes away is below.

mod addon;
mod control_plane;
mod daemon;
mod load;
mod network;
mod node;
pub(crate) mod packages;
mod pki;
mod plan;
mod remove;
mod status;
mod target;
mod up;
mod which;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::image::{PROFILE, Part};
use crate::workspace::Workspace;

pub(crate) use target::Target;
pub(crate) use which::Which;

/// Run a real Kubernetes of one to three nodes on this machine.
///
/// Each node is a network namespace with its own containerd, kubelet and kube-proxy; nothing leads
/// outside. Everything a cluster writes lies in one directory, and clusters of different names live
/// side by side. Needs root on Linux; Kubernetes is built from its Go modules the first time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask cluster up                          two nodes, named serin-1 and serin-2
  cargo xtask cluster up --nodes 3 --name big     another one beside it
  cargo xtask cluster load                        build Serin's images and put them on every node
  cargo xtask cluster load proxy busybox          only these
  cargo xtask cluster kubectl get pods -A
  cargo xtask cluster exec -- curl http://10.96.0.1:443
  cargo xtask cluster status
  cargo xtask cluster down")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the cluster up, or repair it: what runs already is left alone.
    Up {
        /// How many nodes, 1 to 3; by default as many as there are, or two.
        #[arg(long)]
        nodes: Option<u8>,
        /// Leave out the Gateway API's CustomResourceDefinitions.
        #[arg(long)]
        no_gateway_api: bool,
    },
    /// Build images and put them on every node; those already there are skipped.
    Load {
        /// Which images, as for `cargo xtask image`; by default all of Serin's own.
        parts: Vec<Part>,
        /// The cargo profile to build with.
        #[arg(long, default_value = PROFILE)]
        profile: String,
        /// Archives made by something else, to put there too.
        #[arg(long, value_name = "TAR")]
        archive: Vec<PathBuf>,
    },
    /// Run a command inside the first node's network, with KUBECONFIG set.
    Exec {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Run kubectl as the administrator.
    Kubectl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Say what runs and where its logs are; fails if something does not run.
    Status,
    /// Remove the cluster and everything it made.
    Down,
}

/// Run kubectl against the local cluster as its administrator.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kubectl get mesh
  cargo xtask kubectl -n shop logs deploy/checkout -c serin-proxy
The cluster is `serin`, or the one that SERIN_CLUSTER names.")]
pub(crate) struct KubectlArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let which = &args.which;
    match &args.verb {
        Verb::Up { nodes, no_gateway_api } => {
            which.bring_up(workspace, *nodes, !no_gateway_api)?;
            println!("Use it:  cargo xtask kubectl get nodes");
            Ok(())
        }
        Verb::Load { parts, profile, archive } => {
            let parts = if parts.is_empty() && archive.is_empty() { Part::OURS } else { parts };
            load::build_and_load(workspace, &which.running()?, parts, profile, archive)
        }
        Verb::Exec { command } => {
            let (program, arguments) = command.split_first().context("exec needs a command")?;
            become_command(&Target::running(workspace, which)?, program, arguments)
        }
        Verb::Kubectl { arguments } => kubectl(workspace, which, arguments),
        Verb::Status => status::show(&which.running()?),
        Verb::Down => which.remove(),
    }
}

/// `cargo xtask kubectl`.
pub(crate) fn run_kubectl(workspace: &Workspace, args: &KubectlArgs) -> Result<()> {
    kubectl(workspace, &Which::usual()?, &args.arguments)
}

fn kubectl(workspace: &Workspace, which: &Which, arguments: &[OsString]) -> Result<()> {
    become_command(&Target::running(workspace, which)?, OsStr::new("kubectl"), arguments)
}

/// Replaces this process, so that signals, terminal and exit code are the command's own.
fn become_command(target: &Target, program: &OsStr, arguments: &[OsString]) -> Result<()> {
    Err(target.command(program).args(arguments).exec()).context("cannot start nsenter")
}
