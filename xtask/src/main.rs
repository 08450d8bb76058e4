//! `cargo xtask`: how Serin is checked, built into images and run on a real Kubernetes.
//!
//! Each subcommand is a module of its own; this file only names them. What runs inside the mesh
//! does not depend on anything here.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]

mod codegen;
mod command;
mod progress;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

fn main() -> Result<()> {
    let args = Xtask::parse();
    let workspace = Workspace::find(args.cache)?;
    match args.task {
        Task::Codegen(args) => codegen::run(&workspace, &args),
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
    Codegen(codegen::Args),
}
