//! `serinctl`: what an operator of the mesh does from a terminal. As `kubectl-serin` on the PATH it
//! is also `kubectl serin`.
//!
//! It only reads the cluster, except where a command says otherwise.

use clap::{Parser, Subcommand};

mod check;
mod inject;

/// Serin from a terminal.
#[derive(Debug, Parser)]
#[command(name = "serinctl", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints manifests with the proxy in them, as the webhook would make them.
    Inject(inject::Arguments),
    /// Looks for what keeps the mesh, or pods that should be in it, from working.
    Check(check::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    runtime::tls::install_provider();
    match Arguments::parse().command {
        Command::Inject(arguments) => inject::run(&arguments),
        Command::Check(arguments) => Box::pin(check::run(&arguments)).await,
    }
}

const EXAMPLES: &str = "Examples:
  serinctl inject -f deployment.yaml | kubectl apply -f -
  kubectl get deploy cart -o yaml | serinctl inject -f -
  serinctl check
  serinctl check --namespace shop";
