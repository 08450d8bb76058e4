//! Tries mutated bytes on everything that reads bytes from elsewhere, for a fixed time, on stable
//! Rust. `cargo xtask fuzz` is how it is called.
//!
//! Why an engine of our own: libFuzzer's coverage needs a nightly compiler, and what bolero does on
//! stable is random bytes with a dozen crates. Here each target says in one number what it made of
//! an input (what was read, how far it came, what was answered), and inputs with a new number are
//! kept and mutated further: coverage of behaviour instead of code. That, a corpus and the words of
//! each format are enough to come deep into readers as small as ours.
//!
//! An input that makes a target panic is written to a file, and the line that is printed says how
//! to try it again. It belongs into `corpus/` once it is mended.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool talks to its user, and a claim that fails is a panic"
)]

mod engine;
mod mutate;
mod targets;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::engine::Outcome;

/// Tries mutated bytes on one target, or an input on it again.
#[derive(Debug, Parser)]
struct Args {
    /// Which target; without one, all are named.
    target: Option<String>,
    /// How long to try.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Where to begin: the same seed tries the same inputs in the same order.
    #[arg(long)]
    seed: Option<u64>,
    /// Tries this file once, and nothing else.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Where an input is written that makes a target panic.
    #[arg(long, default_value = "fuzz/crashes")]
    crashes: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let Some(name) = &args.target else {
        targets::ALL.iter().for_each(|target| println!("{}", target.name));
        return Ok(());
    };
    let target = targets::ALL.iter().find(|target| target.name == name);
    let target = target.with_context(|| format!("no target is called {name}"))?;
    if let Some(input) = &args.input {
        let bytes = std::fs::read(input).with_context(|| input.display().to_string())?;
        println!("{name}: {:#x}", (target.run)(&bytes));
        return Ok(());
    }
    let seed = args.seed.unwrap_or_else(engine::any_seed);
    engine::listen_for_panics();
    let Outcome { executions, took, corpus, behaviours, crash } =
        engine::run(target, seed, Duration::from_secs(args.seconds));
    println!(
        "{name}: {executions} executions in {took:.1?}, {corpus} inputs kept for {behaviours} \
         behaviours, seed {seed}"
    );
    let Some(crash) = crash else { return Ok(()) };
    std::fs::create_dir_all(&args.crashes)?;
    let file = args.crashes.join(format!("{name}-{seed:x}"));
    std::fs::write(&file, &crash.input)?;
    bail!("{name}: {}\nagain: cargo xtask fuzz {name} --input {}", crash.says, file.display())
}
