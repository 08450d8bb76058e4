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
mod packages;
mod pki;
mod plan;
mod remove;
mod status;
mod up;

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::image::{PROFILE, Part};
use crate::programs::Programs;
use crate::workspace::Workspace;

use plan::{Name, Plan};

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

/// Which cluster is meant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// The cluster's name: its nodes, namespaces and addresses follow from it.
    #[arg(long, env = "SERIN_CLUSTER", default_value = "serin", global = true)]
    name: Name,
    /// Where clusters keep what they write.
    #[arg(long, env = "SERIN_STATE", default_value = "/var/lib/serin", global = true)]
    state: PathBuf,
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
            up(workspace, which, *nodes, !no_gateway_api)?;
            println!("Use it:  cargo xtask kubectl get nodes");
            Ok(())
        }
        Verb::Load { parts, profile, archive } => {
            let parts = if parts.is_empty() && archive.is_empty() { Part::OURS } else { parts };
            load::build_and_load(workspace, &which.running()?, parts, profile, archive)
        }
        Verb::Exec { command } => exec(workspace, which, command),
        Verb::Kubectl { arguments } => kubectl(workspace, which, arguments),
        Verb::Status => status::show(&which.running()?),
        Verb::Down => {
            let _lock = which.lock()?;
            remove::run(&which.whole()?)
        }
    }
}

/// `cargo xtask kubectl`.
pub(crate) fn run_kubectl(workspace: &Workspace, args: &KubectlArgs) -> Result<()> {
    kubectl(workspace, &Which::default_or_named()?, &args.arguments)
}

fn up(workspace: &Workspace, which: &Which, nodes: Option<u8>, gateway_api: bool) -> Result<()> {
    packages::ensure()?;
    let _lock = which.lock()?;
    let held = which.nodes_held()?;
    if let (Some(held), Some(wanted)) = (held, nodes)
        && wanted < held
    {
        bail!("cluster {} has {held} nodes; remove it first to have fewer", which.name);
    }
    let plan = which.plan(nodes.or(held).unwrap_or(DEFAULT_NODES))?;
    if remove::is_from_another_boot(&plan)? {
        remove::run(&which.whole()?)?;
    }
    up::run(workspace, &plan, gateway_api)
}

/// Replaces this process, so that signals, terminal and exit code are the command's own.
fn exec(workspace: &Workspace, which: &Which, command: &[OsString]) -> Result<()> {
    let plan = which.running()?;
    let (program, arguments) = command.split_first().context("exec needs a command")?;
    let programs = Programs::ensure(workspace)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(programs.kubernetes).chain(std::env::split_paths(&path)),
    )?;
    let error = network::inside(&plan.first().netns, program)
        .args(arguments)
        .env("KUBECONFIG", plan.kubeconfig())
        .env("PATH", path)
        .exec();
    Err(error).context("cannot start nsenter")
}

fn kubectl(workspace: &Workspace, which: &Which, arguments: &[OsString]) -> Result<()> {
    let programs = Programs::ensure(workspace)?;
    let error = control_plane::kubectl(&which.running()?, &programs).args(arguments).exec();
    Err(error).context("cannot start nsenter")
}

impl Which {
    fn default_or_named() -> Result<Self> {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            which: Which,
        }
        Ok(<Alone as clap::Parser>::try_parse_from(["kubectl"])?.which)
    }

    fn plan(&self, nodes: u8) -> Result<Plan> {
        Plan::new(&self.state, &self.name, nodes)
    }

    /// The plan of the cluster that is up.
    fn running(&self) -> Result<Plan> {
        let nodes = self.nodes_held()?.with_context(|| {
            format!("there is no cluster {}: `cargo xtask cluster up`", self.name)
        })?;
        self.plan(nodes)
    }

    /// A plan that covers whatever an earlier run may have left.
    fn whole(&self) -> Result<Plan> {
        self.plan(plan::MAX_NODES)
    }

    /// How many nodes an earlier run made.
    fn nodes_held(&self) -> Result<Option<u8>> {
        let dir = self.plan(1)?.dir;
        let mut held = None;
        for number in 1..=plan::MAX_NODES {
            if dir.join(number.to_string()).exists() {
                held = Some(number);
            }
        }
        Ok(held)
    }

    /// Held while the cluster changes, so that two runs do not mix.
    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.state)
            .with_context(|| format!("cannot create {}", self.state.display()))?;
        let path = lock_path(&self.state, &self.name);
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        file.lock().context("cannot lock the cluster")?;
        Ok(file)
    }
}

fn lock_path(state: &Path, name: &Name) -> PathBuf {
    state.join(format!(".{name}.lock"))
}

const DEFAULT_NODES: u8 = 2;
