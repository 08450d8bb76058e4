//! `cargo xtask`: how Serin is checked, built into images and run on a real Kubernetes.
//!
//! Each subcommand is a module of its own; this file only names them. What runs inside the mesh
//! does not depend on anything here.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

mod artifact;
mod bench;
mod check;
mod ci;
mod cluster;
mod codegen;
mod command;
mod conformance;
mod demo;
mod e2e;
mod fuzz;
mod image;
mod parallel;
mod programs;
mod progress;
mod tally;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

fn main() -> ExitCode {
    match run(&Xtask::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Xtask) -> Result<()> {
    let workspace = Workspace::find(args.cache.clone())?;
    match &args.task {
        Task::Check(args) => check::run(&workspace, args),
        Task::Test(args) => test::run(&workspace, args),
        Task::Ci(args) => ci::run(&workspace, args),
        Task::Codegen(args) => codegen::run(&workspace, args),
        Task::Tidy(args) => tidy::run(&workspace, args),
        Task::Image(args) => image::run(&workspace, args),
        Task::Cluster(args) => cluster::run(&workspace, args),
        Task::Conformance(args) => conformance::run(&workspace, args),
        Task::E2e(args) => e2e::run(&workspace, args),
        Task::Bench(args) => bench::run(&workspace, args),
        Task::Fuzz(args) => fuzz::run(&workspace, args),
        Task::Demo(args) => demo::run(&workspace, args),
        Task::Kubectl(args) => cluster::run_kubectl(&workspace, args),
    }
}

/// Serin's build tool: checks, images, and a real Kubernetes on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Xtask {
    /// Where downloaded and built programs are kept (default: ~/.cache/serin).
    #[arg(long, env = "SERIN_CACHE", global = true, value_name = "DIR")]
    cache: Option<std::path::PathBuf>,

    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Check(check::Args),
    Test(test::Args),
    Ci(ci::Args),
    Codegen(codegen::Args),
    Tidy(tidy::Args),
    Image(image::Args),
    Cluster(cluster::Args),
    Conformance(conformance::Args),
    E2e(e2e::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Demo(demo::Args),
    Kubectl(cluster::KubectlArgs),
}
