//! `serin-proxy`: the sidecar's program. Each subcommand is one thing a container of a meshed pod runs.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use proxy::redirect;

/// Serin's sidecar proxy.
#[derive(Debug, Parser)]
#[command(name = "serin-proxy", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lead the pod's TCP through the proxy, with nftables. Needs the capability NET_ADMIN. Running it again
    /// replaces what was there.
    #[command(after_help = REDIRECT_EXAMPLES)]
    Redirect(redirect::Options),
    /// Print the version.
    Version,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Redirect(options) => {
            let done = redirect::run(&options).context("failed to redirect the pod's traffic")?;
            tell(&done.to_string());
        }
        Command::Version => tell(env!("CARGO_PKG_VERSION")),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command's result goes to its caller")]
fn tell(text: &str) {
    println!("{}", text.trim_end());
}

#[expect(clippy::print_stderr, reason = "a command's failure goes to its caller")]
fn tell_error(error: &anyhow::Error) {
    eprintln!("serin-proxy: {error:#}");
}

const REDIRECT_EXAMPLES: &str = "\
Examples:
  serin-proxy redirect
  serin-proxy redirect --exclude-inbound-ports 9090 --exclude-outbound-cidrs 169.254.169.254/32
  serin-proxy redirect --dry-run | nft --check -f -";
