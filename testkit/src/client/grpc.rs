//! `grpc-client`: each of gRPC's four kinds of call.

use std::time::Duration;

use clap::{Args, Subcommand};
use futures::{FutureExt as _, stream};
use http::Uri;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::watch::{self, WatchArgs};
use crate::{
    flags,
    grpc::proto::shop::{PayRequest, ReceiptsRequest, payment_client::PaymentClient},
    output,
};

const CONNECT: Duration = Duration::from_secs(5);

/// Flags of `testkit grpc-client`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  testkit grpc-client --url http://payment:8080 pay --count 100
  testkit grpc-client --url http://payment:8080 watch --duration 60s")]
pub struct GrpcArgs {
    /// The server
    #[arg(long)]
    pub url: Uri,
    /// Which call
    #[command(subcommand)]
    pub call: Call,
}

/// The calls of `Payment`.
#[derive(Clone, Debug, Subcommand)]
pub enum Call {
    /// Unary calls, one after the other
    Pay(CountArgs),
    /// One call, many answers
    Receipts(CountArgs),
    /// Many messages, one answer
    Settle(CountArgs),
    /// Heartbeats both ways, for as long as asked or until SIGTERM
    Watch(WatchArgs),
}

/// How much of it.
#[derive(Args, Clone, Copy, Debug)]
pub struct CountArgs {
    /// How many calls or messages
    #[arg(long, default_value = "1")]
    pub count: u32,
    /// How long all of it may take
    #[arg(long, default_value = "60s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// How it went.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Called {
    /// How many answers or messages were as expected: all of them.
    pub count: u32,
    /// The version that gave the last answer, where answers name one.
    pub version: String,
    /// The pod that gave the last answer, where answers name one.
    pub pod: String,
    /// What the server saw as `x-forwarded-client-cert`, where answers say so.
    pub client_certificate: String,
}

/// Calls.
///
/// # Errors
/// When the server cannot be reached, fails a call, or answers something unexpected.
pub async fn run(args: GrpcArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(args.url)?.connect_timeout(CONNECT);
    let client = PaymentClient::new(endpoint.connect().await?);
    let (limit, calling) = match args.call {
        Call::Watch(args) => return watch::run(client, args, stop).await,
        Call::Pay(args) => (args.timeout, pay(client, args.count).boxed()),
        Call::Receipts(args) => (args.timeout, receipts(client, args.count).boxed()),
        Call::Settle(args) => (args.timeout, settle(client, args.count).boxed()),
    };
    output::line(&timeout(limit, calling).await??)?;
    Ok(())
}

async fn pay(mut client: PaymentClient<Channel>, count: u32) -> anyhow::Result<Called> {
    let mut called = Called::default();
    for number in 0..count {
        let order = number.to_string();
        let reply = client.pay(PayRequest { order: order.clone(), cents: 1 }).await?.into_inner();
        anyhow::ensure!(reply.order == order, "asked for {order}, got {}", reply.order);
        called = Called {
            count: called.count + 1,
            version: reply.version,
            pod: reply.pod,
            client_certificate: reply.client_certificate,
        };
    }
    Ok(called)
}

async fn receipts(mut client: PaymentClient<Channel>, count: u32) -> anyhow::Result<Called> {
    let mut receipts =
        client.receipts(ReceiptsRequest { count, interval_millis: 0 }).await?.into_inner();
    let mut expected = 0;
    while let Some(receipt) = receipts.message().await? {
        anyhow::ensure!(receipt.number == expected, "receipt {} for {expected}", receipt.number);
        expected += 1;
    }
    anyhow::ensure!(expected == count, "{expected} receipts of {count}");
    Ok(Called { count, ..Called::default() })
}

async fn settle(mut client: PaymentClient<Channel>, count: u32) -> anyhow::Result<Called> {
    let payments = (0..count).map(|number| PayRequest { order: number.to_string(), cents: 2 });
    let settlement = client.settle(stream::iter(payments)).await?.into_inner();
    let (payments, cents) = (settlement.payments, settlement.cents);
    let whole = payments == u64::from(count) && cents == 2 * payments;
    anyhow::ensure!(whole, "{payments} payments of {count}, {cents} cents");
    Ok(Called { count, ..Called::default() })
}
