//! `testkit`: the applications, clients and load of Serin's tests, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testkit::{client, load, server, shop, stop, tcp};
use tokio_util::sync::CancellationToken;

/// Applications, clients and load for Serin's tests and demo
#[derive(Parser)]
#[command(name = "testkit", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// An application that describes what reached it, over HTTP and gRPC, and fails on demand
    #[command(visible_alias = "grpc-server")]
    Server(server::ServerArgs),
    /// One of the four services of the demo's shop
    Shop(shop::ShopArgs),
    /// An open-loop load generator that counts what a real client would see
    Load(load::LoadArgs),
    /// A TCP server that sends back what it gets
    TcpEcho(tcp::EchoArgs),
    /// A TCP server that greets its clients and then sends back what it gets
    TcpServerFirst(tcp::ServerFirstArgs),
    /// A TCP client that times each phase
    TcpClient(tcp::ClientArgs),
    /// One HTTP request, and everything about its answer
    HttpClient(client::http::HttpArgs),
    /// Messages over a WebSocket, each expected back
    WsClient(client::websocket::WebSocketArgs),
    /// gRPC calls of each of the four kinds
    GrpcClient(client::grpc::GrpcArgs),
    /// A body of any size, checked against what arrived
    Upload(client::upload::UploadArgs),
    /// A fixed number of requests, then the end
    Job(client::job::JobArgs),
    /// What a name resolves to here
    Dns(client::dns::DnsArgs),
    /// Nothing, until SIGTERM
    Sleep(client::sleep::SleepArgs),
}

// One thread: dozens of these share a test machine, and none of them is what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let stop = stop::on_signal()?;
    let cut = stop.clone();
    match Cli::parse().command {
        Command::Server(args) => server::run(args, stop).await?,
        Command::Shop(args) => shop::run(args, stop).await?,
        Command::Load(args) => load::run(args, stop).await?,
        Command::TcpEcho(args) => tcp::echo(args, stop).await?,
        Command::TcpServerFirst(args) => tcp::server_first(args, stop).await?,
        Command::GrpcClient(args) => client::grpc::run(args, stop).await?,
        Command::Sleep(args) => client::sleep::run(args, stop).await,
        Command::TcpClient(args) => unless(cut, tcp::client(args)).await?,
        Command::WsClient(args) => unless(cut, client::websocket::run(&args)).await?,
        Command::Upload(args) => unless(cut, client::upload::run(&args)).await?,
        Command::Dns(args) => unless(cut, client::dns::run(args)).await?,
        Command::HttpClient(args) => {
            return Ok(unless(cut, client::http::run(&args)).await?.into());
        }
        Command::Job(args) => return Ok(unless(cut, client::job::run(&args)).await?.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives up on `work`, which has nothing to finish, when told to stop.
async fn unless<T>(
    stop: CancellationToken,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => anyhow::bail!("told to stop"),
        done = work => done,
    }
}
