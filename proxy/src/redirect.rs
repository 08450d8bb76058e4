//! `serin-proxy redirect`: makes a pod's network namespace lead all TCP through the proxy.
//!
//! What is wanted is written as [`rules`], pure and readable; [`netlink`] puts the whole table in
//! place in one transaction, so a pod is redirected entirely or not at all and running twice
//! changes nothing. [`loopback`] gives the pod the IPv6 address from which the proxy reaches its
//! application.

use std::{fmt, io};

use clap::Args;
use ipnet::IpNet;

use self::rules::Table;
pub use self::{list::List, loopback::Ipv6};

mod list;
mod loopback;
mod netlink;
mod rules;
mod socket;

/// What is led where, and what is left alone.
#[derive(Args, Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Ports of the pod that peers reach without the proxy.
    #[arg(long, default_value_t, env = "SERIN_EXCLUDE_INBOUND_PORTS", value_name = "PORTS")]
    pub exclude_inbound_ports: List<u16>,
    /// Ports that the pod reaches without the proxy, wherever they are.
    #[arg(long, default_value_t, env = "SERIN_EXCLUDE_OUTBOUND_PORTS", value_name = "PORTS")]
    pub exclude_outbound_ports: List<u16>,
    /// Networks that the pod reaches without the proxy, such as 169.254.169.254/32.
    #[arg(long, default_value_t, env = "SERIN_EXCLUDE_OUTBOUND_CIDRS", value_name = "CIDRS")]
    pub exclude_outbound_cidrs: List<IpNet>,
    /// Users of the pod whose connections do not go through the proxy.
    #[arg(long, default_value_t, env = "SERIN_EXCLUDE_UIDS", value_name = "UIDS")]
    pub exclude_uids: List<u32>,
    /// The user that the proxy runs as.
    #[arg(long, env = "SERIN_PROXY_UID", default_value_t = PROXY_UID, value_name = "UID")]
    pub proxy_uid: u32,
    /// Print the rules in the syntax of `nft -f` and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Eq, PartialEq)]
pub enum Done {
    /// The rules, for whoever wants to read them.
    Printed(String),
    /// They hold from now on.
    Installed {
        /// How many there are.
        rules: usize,
        /// Whether the proxy can reach its application over IPv6.
        ipv6: Ipv6,
    },
}

/// Why the pod is not redirected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The netlink socket.
    #[error("failed to talk to the kernel's {subsystem}")]
    Socket {
        /// nf_tables or routing.
        subsystem: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// A statement of the transaction; none of it holds then.
    #[error("the kernel refused to {statement}; {}", advice(source))]
    Refused {
        /// What was to be done.
        statement: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel answered nothing at all, or something that is no answer.
    #[error("the kernel did not confirm the rules; it is not known whether they hold")]
    Unconfirmed,
}

/// Does what `options` say.
///
/// # Errors
/// If the kernel refuses. Nothing was changed then.
pub fn run(options: &Options) -> Result<Done, Error> {
    let table = Table::new(options);
    if options.dry_run {
        return Ok(Done::Printed(table.to_string()));
    }
    netlink::install(&table)?;
    let ipv6 = loopback::add_address()?;
    Ok(Done::Installed { rules: table.len(), ipv6 })
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Printed(rules) => f.write_str(rules),
            Self::Installed { rules, ipv6 } => {
                write!(f, "redirected the pod's TCP with {rules} rules; IPv6: {ipv6}")
            }
        }
    }
}

/// What a person can do about a refusal.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EPERM) => "the container needs the capability NET_ADMIN",
        Some(ENOENT | EOPNOTSUPP | EPROTONOSUPPORT | EAFNOSUPPORT) => {
            "the node's kernel needs nf_tables with NAT and redirect for the inet family \
             (Linux 5.2 or newer; modules nf_tables, nft_chain_nat, nft_redir)"
        }
        Some(_) | None => "this is not expected: please report it with the output of --dry-run",
    }
}

/// The user that the proxy runs as, unless told otherwise.
pub const PROXY_UID: u32 = 1337;

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EPROTONOSUPPORT: i32 = 93;
const EOPNOTSUPP: i32 = 95;
const EAFNOSUPPORT: i32 = 97;

#[cfg(test)]
mod tests;
