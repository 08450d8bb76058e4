//! Serin as a pod has it.

use std::process::ExitCode;

use bench::pod;
use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    pod: pod::Args,
}

/// As `serin-proxy` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    runtime::tls::install_provider();
    bench::end(bench::allow_many_files().and_then(|()| pod::run(&arguments.pod)))
}
