//! The command line: what testkit can be, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{client, collect, load, server, shop, smtp, tcp};

/// Applications, clients and load for Serin's tests and demo
#[derive(Debug, Parser)]
#[command(name = "testkit", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to be
    #[command(subcommand)]
    pub command: Command,
}

/// What testkit can be.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// An application that describes what reached it, over HTTP and gRPC, and fails on demand
    #[command(visible_alias = "grpc-server")]
    Server(server::ServerArgs),
    /// One of the four services of the demo's shop
    Shop(shop::ShopArgs),
    /// An open-loop load generator that counts what a real client would see
    Load(load::LoadArgs),
    /// Keeps what load generators report at their end
    Collect(collect::CollectArgs),
    /// A TCP server that sends back what it gets
    TcpEcho(tcp::EchoArgs),
    /// A TCP server that greets its clients and then sends back what it gets
    TcpServerFirst(tcp::ServerFirstArgs),
    /// A TCP client that times each phase
    TcpClient(tcp::ClientArgs),
    /// How long a server that speaks first takes to be heard
    GreetingClient(client::greeting::GreetingArgs),
    /// A mail server that takes every letter
    SmtpServer(smtp::SmtpServerArgs),
    /// Letters to a mail server
    SmtpClient(smtp::SmtpClientArgs),
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

impl Command {
    /// Runs it until it is done or `stop`; says how the program is to exit.
    ///
    /// # Errors
    /// Whatever went wrong, in words.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<ExitCode> {
        let cut = stop.clone();
        match self {
            Self::Server(args) => server::run(args, stop).await?,
            Self::Shop(args) => shop::run(args, stop).await?,
            Self::Load(args) => load::run(args, stop).await?,
            Self::Collect(args) => collect::run(args, stop).await?,
            Self::TcpEcho(args) => tcp::echo(args, stop).await?,
            Self::TcpServerFirst(args) => tcp::server_first(args, stop).await?,
            Self::GrpcClient(args) => client::grpc::run(args, stop).await?,
            Self::Sleep(args) => client::sleep::run(args, stop).await,
            Self::SmtpServer(args) => smtp::server(args, stop).await?,
            Self::GreetingClient(args) => unless(cut, client::greeting::run(&args)).await?,
            Self::SmtpClient(args) => unless(cut, smtp::client(&args)).await?,
            Self::TcpClient(args) => unless(cut, tcp::client(args)).await?,
            Self::WsClient(args) => unless(cut, client::websocket::run(&args)).await?,
            Self::Upload(args) => unless(cut, client::upload::run(&args)).await?,
            Self::Dns(args) => unless(cut, client::dns::run(args)).await?,
            Self::HttpClient(args) => {
                return Ok(unless(cut, client::http::run(&args)).await?.into());
            }
            Self::Job(args) => return Ok(unless(cut, client::job::run(&args)).await?.into()),
        }
        Ok(ExitCode::SUCCESS)
    }
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
