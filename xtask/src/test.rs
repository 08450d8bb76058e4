//! `test`: every test that needs neither a cluster nor programs of others.

use anyhow::{Result, bail};

use crate::check::cargo;
use crate::tally::{self, Tally};
use crate::workspace::Workspace;

/// Run every test that needs neither a cluster nor programs of others.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test                      the whole workspace except e2e and
                                        conformance
  cargo xtask test proxy                one crate
  cargo xtask test model -- withdrawn   only the tests whose names hold this")]
pub(crate) struct Args {
    /// Which crates; by default all but e2e, which needs a cluster, and conformance, which needs
    /// programs of others.
    crates: Vec<String>,
    /// Passed on to the tests.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tally = count(workspace, &args.crates, &args.arguments)?;
    println!("{tally}");
    if tally.failed > 0 { bail!("{} tests failed", tally.failed) } else { Ok(()) }
}

/// Runs the tests and counts them. An error is not a failed test but one that could not be built.
pub(crate) fn count(
    workspace: &Workspace,
    crates: &[String],
    arguments: &[String],
) -> Result<Tally> {
    let mut command = cargo(workspace);
    command.args(["test", "--quiet", "--no-fail-fast"]);
    if crates.is_empty() {
        command.args(["--workspace", "--exclude", "e2e", "--exclude", "conformance"]);
    }
    for name in crates {
        command.args(["--package", name]);
    }
    tally::run(command.arg("--").args(arguments))
}
