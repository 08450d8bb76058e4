//! `testkit`: the applications, clients and load of Serin's tests; see the library's first page.

use std::process::ExitCode;

use clap::Parser as _;
use testkit::{command::Cli, stop};

// One thread: dozens of these share a test machine, and none of them is what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let stop = stop::on_signal()?;
    // As big as the biggest of all that it may be.
    Box::pin(Cli::parse().command.run(stop)).await
}
