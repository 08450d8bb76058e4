//! `serin-proxy`: the sidecar's program. Each subcommand is one thing a container of a meshed pod
//! runs.

use std::{net::Ipv4Addr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use proxy::{drain::command, ports, redirect, settings::Settings, sidecar};
use runtime::{settings::Env, tasks::End, telemetry, tls};

/// Gives the buffers of idle connections back to the system, and is faster where much is allocated,
/// as for HTTP/2 (docs/performance.md). Its image says how soon, in `MIMALLOC_` variables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serin's sidecar proxy.
#[derive(Debug, Parser)]
#[command(name = "serin-proxy", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry the pod's traffic (the default). Everything is set through the environment, by the
    /// injector.
    #[command(after_help = RUN_EXAMPLES)]
    Run,
    /// Lead the pod's TCP through the proxy, with nftables. Needs the capability NET_ADMIN. Running
    /// it again replaces what was there.
    #[command(after_help = REDIRECT_EXAMPLES)]
    Redirect(redirect::Options),
    /// Tell the proxy of this pod to finish what it carries, and wait for it. This is the pod's
    /// preStop.
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(DrainOptions),
    /// Print the version.
    Version,
}

#[derive(Args, Debug)]
struct DrainOptions {
    /// How long to wait for the proxy. Its own limit is SERIN_DRAIN_SECONDS; this one is for a
    /// proxy that says nothing.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

fn main() -> ExitCode {
    match obey(Arguments::parse().command.unwrap_or(Command::Run)) {
        Ok(code) => code,
        Err(error) => {
            tell_error(&error);
            let invalid = error.downcast_ref::<runtime::settings::Errors>().is_some();
            ExitCode::from(if invalid { INVALID } else { FAILED })
        }
    }
}

fn obey(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run => return run(),
        Command::Redirect(options) => {
            let done = redirect::run(&options).context("failed to redirect the pod's traffic")?;
            tell(&done.to_string());
        }
        Command::Drain(options) => drain(&options)?,
        Command::Version => tell(env!("CARGO_PKG_VERSION")),
    }
    Ok(ExitCode::SUCCESS)
}

fn run() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Env::from_process())?;
    let log = telemetry::init(&settings.log)?;
    tls::install_provider();
    let end = control_runtime()?.block_on(sidecar::run(settings, log))?;
    Ok(match end {
        End::Clean | End::Late => ExitCode::SUCCESS,
        End::Broken => ExitCode::from(FAILED),
    })
}

fn drain(options: &DrainOptions) -> anyhow::Result<()> {
    let address = (Ipv4Addr::LOCALHOST, ports::LOCAL_ADMIN).into();
    let limit = Duration::from_secs(options.timeout);
    let drained = control_runtime()?.block_on(command::drain(address, limit))?;
    tell(&drained.to_string());
    Ok(())
}

/// Everything but traffic takes one thread.
fn control_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start")
}

#[expect(clippy::print_stdout, reason = "a command's result goes to its caller")]
fn tell(text: &str) {
    println!("{}", text.trim_end());
}

#[expect(clippy::print_stderr, reason = "a command's failure goes to its caller")]
fn tell_error(error: &anyhow::Error) {
    eprintln!("serin-proxy: {error:#}");
}

const FAILED: u8 = 1;
const INVALID: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or ended as it was told to
  1  failed, or a part ended that the proxy cannot do without
  2  the arguments or the environment make no sense; all mistakes are named";

const RUN_EXAMPLES: &str = "\
Examples:
  SERIN_CONTROL=serin-control.serin-system.svc:15012 POD_NAME=… POD_NAMESPACE=… POD_UID=… POD_IP=… \\
    SERVICE_ACCOUNT=… serin-proxy run";

const REDIRECT_EXAMPLES: &str = "\
Examples:
  serin-proxy redirect
  serin-proxy redirect --exclude-inbound-ports 9090 --exclude-outbound-cidrs 169.254.169.254/32
  serin-proxy redirect --dry-run | nft --check -f -";

const DRAIN_EXAMPLES: &str = "\
Examples:
  serin-proxy drain
  serin-proxy drain --timeout 10";
