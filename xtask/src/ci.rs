//! `ci`: everything that must hold before a change lands, in one command.

use anyhow::{Result, bail};

use crate::check::{self, cargo};
use crate::progress::Stopwatch;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{command, conformance, e2e, fuzz, test};

/// Run all checks and all tests, those on a real cluster included.
///
/// In order, stopping at the first that fails: check, test, fuzz, conformance, doc, e2e. The last
/// line counts all tests that ran; of fuzzing, which is none, it says nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask ci          what .ci/run runs
The e2e suite runs on a cluster of its own, named ci, which is removed at the end.")]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    let watch = Stopwatch::start();
    let mut tally = Tally::default();
    let result = stages(workspace, &mut tally);
    if result.is_err() && tally.failed == 0 {
        // What failed was no test, and yet the last line must not read like success.
        tally.failed = 1;
    }
    if let Err(error) = &result {
        println!("error: {error:#}");
    }
    println!("== all of it: {watch}");
    println!("{tally}");
    if result.is_err() { bail!("ci failed") } else { Ok(()) }
}

fn stages(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    stage("check", || check::run(workspace, &check::Args {}))?;
    stage("test", || count(tally, test::count(workspace, &[], &[])?))?;
    stage("fuzz", || fuzz::run(workspace, &fuzz::Args::for_ci()))?;
    stage("conformance", || count(tally, conformance::count(workspace, &[])?))?;
    stage("doc", || document(workspace))?;
    stage("e2e", || count(tally, e2e::count(workspace, &e2e::Args::for_ci()?)?))
}

fn stage(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let watch = Stopwatch::start();
    let result = work();
    println!("== {name}: {} after {watch}", if result.is_ok() { "passed" } else { "failed" });
    result
}

fn count(all: &mut Tally, some: Tally) -> Result<()> {
    *all += some;
    if some.failed > 0 { bail!("{} tests failed", some.failed) } else { Ok(()) }
}

fn document(workspace: &Workspace) -> Result<()> {
    command::run(
        cargo(workspace)
            .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"),
    )
}
