//! The least that a proxy on hyper can do.

use std::process::ExitCode;

use bench::minimal;
use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    minimal: minimal::Args,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    bench::end(bench::on_one_thread(minimal::run(&arguments.minimal)))
}
