//! `e2e`: the story a user reads in the README, told to a real cluster.
//!
//! The tests are an ordinary test program of the `e2e` crate. It is built here, outside, and runs
//! inside the cluster's network, from which nothing else can be reached.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::artifact;
use crate::cluster::{Target, Which};
use crate::image::{PROFILE, Part};
use crate::progress::step;
use crate::tally::{self, Tally};
use crate::workspace::Workspace;

/// Run the end-to-end tests on a real cluster.
///
/// Without --kubeconfig a fresh cluster named e2e is brought up, loaded with newly built images,
/// and removed at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask e2e                              all of them, on a fresh cluster
  cargo xtask e2e rollback                     those whose names hold this
  cargo xtask e2e --full bad_release           with distributions of many trials
  cargo xtask e2e --name serin --keep          on the cluster that is up
  cargo xtask e2e --kubeconfig ~/.kube/config  on kind, k3d or a real one, which has
                                               the images already: see
                                               `cargo xtask image --help`
Tests that freeze a proxy send signals to its process and so need a cluster on this machine.")]
pub(crate) struct Args {
    /// Only the tests whose names hold one of these.
    filters: Vec<String>,
    /// Use this cluster instead of one of our own.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The name of our own cluster.
    #[arg(long, default_value = "e2e", conflicts_with = "kubeconfig")]
    name: String,
    /// Use our own cluster as it is, and leave it up at the end.
    #[arg(long)]
    keep: bool,
    /// Measure in many more trials and move far more data than CI has time for.
    #[arg(long)]
    full: bool,
    /// The cargo profile of the images.
    #[arg(long, default_value = PROFILE)]
    profile: String,
}

impl Args {
    /// All tests, on a cluster that nobody else uses.
    pub(crate) fn for_ci() -> Result<Self> {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            args: Args,
        }
        Ok(<Alone as clap::Parser>::try_parse_from(["e2e", "--name", "ci"])?.args)
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tally = count(workspace, args)?;
    println!("{tally}");
    if tally.failed > 0 { bail!("{} tests failed", tally.failed) } else { Ok(()) }
}

/// Runs the tests and counts them.
pub(crate) fn count(workspace: &Workspace, args: &Args) -> Result<Tally> {
    let programs = step("build the e2e tests", || build(workspace))?;
    match &args.kubeconfig {
        Some(kubeconfig) => run_all(&Target::elsewhere(kubeconfig)?, &programs, args),
        None => on_our_own(workspace, args, &programs),
    }
}

/// What a test run needs outside the cluster.
struct Programs {
    tests: PathBuf,
    /// Tests run it as a user does.
    serinctl: PathBuf,
}

fn on_our_own(workspace: &Workspace, args: &Args, programs: &Programs) -> Result<Tally> {
    let which = Which::named(&args.name)?;
    if !args.keep {
        // A run that was cut short may have left its own behind.
        which.remove()?;
    }
    let target = Target::bring_up(workspace, &which, PARTS, &args.profile);
    let result = target.and_then(|target| run_all(&target, programs, args));
    if !args.keep {
        which.remove()?;
    }
    result
}

fn run_all(target: &Target, programs: &Programs, args: &Args) -> Result<Tally> {
    // One after the other: they share a cluster, and say how long things take.
    let mut tests = target.command(&programs.tests);
    tests.env("SERIN_E2E_SERINCTL", &programs.serinctl);
    // Measurements are shown: after the last test, or at once if they are what is wanted.
    if args.full {
        tests.env("SERIN_E2E_FULL", "1").arg("--nocapture");
    } else {
        tests.arg("--show-output");
    }
    tally::run(tests.arg("--test-threads=1").args(&args.filters))
}

/// Builds the tests, and serinctl.
fn build(workspace: &Workspace) -> Result<Programs> {
    let built = artifact::build(workspace, TESTS, &[SERINCTL])?;
    let (tests, serinctl) = (artifact::named(&built, TESTS)?, artifact::named(&built, SERINCTL)?);
    Ok(Programs { tests, serinctl })
}

const TESTS: &str = "story";
const SERINCTL: &str = "serinctl";

/// What the tests need on the nodes.
const PARTS: &[Part] = &[
    Part::Operator,
    Part::Control,
    Part::Webhook,
    Part::Proxy,
    Part::Testkit,
    Part::Prometheus,
    Part::Mariadb,
];
