//! The measuring itself, and the two ends of every measurement.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use bench::{load, measure, plan::Plan, upstream};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure as a plan says.
    Run {
        /// A file with the plan, as JSON.
        plan: PathBuf,
    },
    /// Ask.
    Load(load::Args),
    /// Answer.
    Upstream,
}

fn main() -> ExitCode {
    bench::end(obey(Arguments::parse().command))
}

fn obey(command: Command) -> Result<()> {
    match command {
        Command::Run { plan } => measure::run(&Plan::read(&plan)?),
        Command::Load(args) => {
            let outcome = bench::on_one_thread(load::run(&args))?;
            println!("{}", serde_json::to_string(&outcome)?);
            Ok(())
        }
        Command::Upstream => bench::on_one_thread(upstream::run()),
    }
}
