//! The least that a proxy on hyper can do, with mimalloc.

use std::process::ExitCode;

use bench::minimal;
use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    minimal: minimal::Args,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    bench::end(bench::on_one_thread(minimal::run(&arguments.minimal)))
}
