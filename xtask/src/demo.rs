//! `demo`: the whole story, from an empty machine to releases that are promoted and withdrawn.
//!
//! The story itself is the program `demo` of the `e2e` crate: this brings up what it plays on.

use std::path::PathBuf;

use anyhow::Result;

use crate::check::cargo;
use crate::cluster::{Target, Which};
use crate::command;
use crate::image::{PROFILE, Part};
use crate::progress::{Stopwatch, step};
use crate::workspace::Workspace;

/// See the whole story: a cluster, the mesh, a shop under load, releases promoted and withdrawn.
///
/// Needs nothing but Linux, root, Rust and Go. The cluster stays up afterwards, to look around in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask demo                              on a local cluster named serin
  cargo xtask demo --kubeconfig ~/.kube/config  on kind, k3d or a real one, which
                                                has the images already
  cargo xtask cluster down                      removes the local cluster again")]
pub(crate) struct Args {
    /// Use this cluster instead of one of our own.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The cargo profile of the images.
    #[arg(long, default_value = PROFILE)]
    profile: String,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let watch = Stopwatch::start();
    let program = step("build the demo", || build(workspace))?;
    let target = match &args.kubeconfig {
        Some(kubeconfig) => Target::elsewhere(kubeconfig)?,
        None => Target::bring_up(workspace, &Which::usual()?, Part::OURS, &args.profile)?,
    };
    command::run(&mut target.command(program))?;
    println!("All of it took {watch}.");
    Ok(())
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    command::run(cargo(workspace).args([
        "build",
        "--quiet",
        "--package",
        "e2e",
        "--bin",
        PROGRAM,
    ]))?;
    Ok(workspace.target.join("debug").join(PROGRAM))
}

const PROGRAM: &str = "demo";
