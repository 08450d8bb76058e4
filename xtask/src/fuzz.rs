//! `fuzz`: any bytes on what reads bytes from elsewhere, for a fixed time.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::parallel::{self, Work};
use crate::progress::step;
use crate::workspace::Workspace;
use crate::{artifact, command};

/// Try mutated bytes on everything that reads bytes from elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz                       each target for ten seconds, two at a time
  cargo xtask fuzz http1 --seconds 600   one of them for ten minutes
  cargo xtask fuzz http1 --input FILE    a file that made it panic, again")]
pub(crate) struct Args {
    /// Which target; by default all.
    target: Option<String>,
    /// How long each is tried.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// Where to begin, to try the same again.
    #[arg(long)]
    seed: Option<u64>,
    /// Tries this file once, and nothing else.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

impl Args {
    /// Every target for ten seconds, each run with other inputs.
    pub(crate) const fn for_ci() -> Self {
        Self { target: None, seconds: SECONDS, seed: None, input: None }
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let program = step("build what is fuzzed", || {
        artifact::named(&artifact::build(workspace, TEST, &[PROGRAM])?, PROGRAM)
    })?;
    let targets = match &args.target {
        Some(target) => vec![target.clone()],
        None => command::read(&mut Command::new(&program))?.lines().map(str::to_owned).collect(),
    };
    for some in targets.chunks(AT_A_TIME) {
        let work = |target: &String| -> Work<'_> {
            let mut command = Command::new(&program);
            command.current_dir(&workspace.root).arg(target);
            command.args(["--seconds", &args.seconds.to_string()]);
            command.args(args.seed.map(|seed| format!("--seed={seed}")));
            command.args(args.input.as_ref().map(|file| format!("--input={}", file.display())));
            Box::new(move || command::run(&mut command))
        };
        parallel::all(some.iter().map(work).collect())?;
    }
    Ok(())
}

const PROGRAM: &str = "fuzz";
const TEST: &str = "program";
const SECONDS: u64 = 10;
/// As many as the smallest machine has processors.
const AT_A_TIME: usize = 2;
