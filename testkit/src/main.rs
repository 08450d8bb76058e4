//! `testkit`: the applications, clients and load of Serin's tests, one subcommand each.

use clap::{Parser, Subcommand};
use testkit::{load, server, shop, stop};

/// Applications, clients and load for Serin's tests and demo
#[derive(Parser)]
#[command(name = "testkit", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// An application that describes what reached it, and fails on demand
    Server(server::ServerArgs),
    /// One of the four services of the demo's shop
    Shop(shop::ShopArgs),
    /// An open-loop load generator that counts what a real client would see
    Load(load::LoadArgs),
}

// One thread: dozens of these share a test machine, and none of them is what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    match Cli::parse().command {
        Command::Server(args) => server::run(args, stop).await?,
        Command::Shop(args) => shop::run(args, stop).await?,
        Command::Load(args) => load::run(args, stop).await?,
    }
    Ok(())
}
