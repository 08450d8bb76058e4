//! `dns`: what a name resolves to here.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::output;

/// Flags of `testkit dns`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  testkit dns web.shop.svc.cluster.local")]
pub struct DnsArgs {
    /// The name
    pub name: String,
}

/// What it resolves to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resolved {
    /// The name.
    pub name: String,
    /// Its addresses, in the order in which they came.
    pub addresses: Vec<std::net::IpAddr>,
}

/// Resolves.
///
/// # Errors
/// When the name has no address.
pub async fn run(args: DnsArgs) -> anyhow::Result<()> {
    let found = tokio::net::lookup_host((args.name.as_str(), 0)).await?;
    let addresses = found.map(|address| address.ip()).collect();
    output::line(&Resolved { name: args.name, addresses })?;
    Ok(())
}
