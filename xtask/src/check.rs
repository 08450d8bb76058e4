//! `check`: what can be said of the code without running it.

use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::progress::step;
use crate::workspace::Workspace;
use crate::{codegen, tidy};

/// Check the code without running it: format, lints, tidy, generated files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask check         in this order, stopping at the first failure:
    cargo fmt --all --check
    cargo xtask tidy
    cargo xtask codegen --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check        if cargo-deny is installed; else it says that it is not")]
pub(crate) struct Args {}

/// The quick ones first.
pub(crate) fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    step("check the format", || command::run(cargo(workspace).args(["fmt", "--all", "--check"])))?;
    step("tidy", || tidy::check(workspace))?;
    step("check generated files", || codegen::check(workspace))?;
    step("clippy", || {
        let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        command::run(cargo(workspace).args(lints))
    })?;
    if command::succeeds(Command::new("cargo-deny").arg("--version")) {
        step("cargo deny", || command::run(cargo(workspace).args(["deny", "check"])))
    } else {
        println!("  cargo deny: not run, cargo-deny is not installed");
        Ok(())
    }
}

/// cargo, in the checkout.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    command
}
