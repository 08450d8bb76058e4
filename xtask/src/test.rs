//! `test`: every test that needs neither a cluster nor programs of others.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::check::cargo;
use crate::tally::{self, Tally};
use crate::workspace::{Package, Workspace};

/// Run every test that needs neither a cluster nor programs of others.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test                      the whole workspace but for the tests
                                        of `e2e` and `conformance`
  cargo xtask test proxy                one crate
  cargo xtask test model -- withdrawn   only the tests whose names hold this")]
pub(crate) struct Args {
    /// Which crates; by default all, without the tests that need a cluster or programs of others.
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
        // All crates, so that theirs are built as for everybody else: see `artifact`.
        command.args(["--workspace", "--lib", "--bins"]);
        for test in integration_tests(&workspace.packages) {
            command.args(["--test", test]);
        }
    }
    for name in crates {
        command.args(["--package", name]);
    }
    tally::run(command.arg("--").args(arguments))
}

/// The integration tests that need neither a cluster nor programs of others.
fn integration_tests(packages: &[Package]) -> BTreeSet<&str> {
    let own = packages.iter().filter(|package| !NEED_MORE.contains(&package.name.as_str()));
    let tests = own.flat_map(|package| &package.targets).filter(|target| target.is_test());
    tests.map(|target| target.name.as_str()).collect()
}

/// Whose integration tests have a stage of their own.
const NEED_MORE: [&str; 2] = ["conformance", "e2e"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_cluster_or_programs_of_others_is_left_out() {
        let workspace = Workspace::find(Some("unused".into())).unwrap();
        let taken = integration_tests(&workspace.packages);
        for package in &workspace.packages {
            for target in package.targets.iter().filter(|target| target.is_test()) {
                let needs_more = NEED_MORE.contains(&package.name.as_str());
                assert_eq!(taken.contains(target.name.as_str()), !needs_more, "{target:?}");
            }
        }
    }
}
