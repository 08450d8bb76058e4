//! How long a server that speaks first takes to be heard.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{flags, output};

/// Flags of `testkit greeting-client`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit greeting-client --address mariadb:3306 --count 20")]
pub struct GreetingArgs {
    /// HOST:PORT of the server
    #[arg(long)]
    pub address: String,
    /// How often, each time on a connection of its own
    #[arg(long, default_value = "1")]
    pub count: u32,
    /// How long each time may take
    #[arg(long, default_value = "10s", value_parser = flags::duration)]
    pub timeout: Duration,
}

/// What was seen, from before the connection to the server's first bytes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Greeted {
    /// How often.
    pub count: u32,
    /// The first time.
    pub first_us: u64,
    /// Half of the times took no longer.
    pub median_us: u64,
    /// The longest.
    pub worst_us: u64,
}

/// Connects as often as it is told, and prints one line.
///
/// # Errors
/// When a connection fails, or a server says nothing.
pub async fn run(args: &GreetingArgs) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..args.count {
        times.push(timeout(args.timeout, hear(&args.address)).await??);
    }
    let first_us = times.first().copied().unwrap_or_default();
    times.sort_unstable();
    let median_us = times.get(times.len() / 2).copied().unwrap_or_default();
    let worst_us = times.last().copied().unwrap_or_default();
    output::line(&Greeted { count: args.count, first_us, median_us, worst_us })?;
    Ok(())
}

async fn hear(address: &str) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    let heard = stream.read(&mut [0; 512]).await?;
    anyhow::ensure!(heard > 0, "the server closed before it had spoken");
    Ok(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}
