//! Which connections are led to the proxy: a table of rules, decided here and nowhere else. Printed
//! in the syntax of `nft`.
//!
//! The first rule that matches decides. What matches none is left alone.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Options;
use crate::ports;

/// All rules of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Table {
    /// For connections that reach the pod from elsewhere.
    pub(super) inbound: Vec<Rule>,
    /// For connections that are opened in the pod.
    pub(super) outbound: Vec<Rule>,
}

/// What happens to a new connection if all of `matches` hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    pub(super) matches: Vec<Match>,
    pub(super) verdict: Verdict,
}

/// Something that is true of a connection or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Match {
    Tcp,
    /// It stays within the pod.
    OverLoopback,
    /// It was opened by this user.
    User(u32),
    ToPort(u16),
    From(IpAddr),
    To(IpNet),
    NotTo(IpNet),
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It goes where it was going.
    Leave,
    /// It goes to this port of the pod; the proxy learns from the kernel where it was going.
    Redirect(u16),
}

impl Table {
    pub(super) fn new(options: &Options) -> Self {
        Self { inbound: inbound(options), outbound: outbound(options) }
    }

    pub(super) fn len(&self) -> usize {
        self.inbound.len() + self.outbound.len()
    }
}

/// Everything from elsewhere goes to the inbound listener, but for the proxy's own ports and what
/// is excluded.
fn inbound(options: &Options) -> Vec<Rule> {
    let mut rules: Vec<_> = unproxied_ports(options).map(|port| leave([to_port(port)])).collect();
    rules.push(redirect([Match::Tcp], ports::INBOUND));
    rules
}

/// Everything that the pod opens goes to the outbound listener, with these exceptions in this
/// order:
///
/// 1. The proxy reaching its application: it binds the address that says so. It is the end of the
///    way in, for requests and for probes, so it must go no further.
/// 2. The proxy reaching its own pod by an address that peers use (the application called itself,
///    by Service or by pod address): as if it came from elsewhere.
/// 3. Everything else that the proxy opens, or a user that is excluded.
/// 4. The application talking to itself on the loopback addresses.
/// 5. Ports and networks that are excluded.
fn outbound(options: &Options) -> Vec<Rule> {
    let proxy = Match::User(options.proxy_uid);
    let mut rules = vec![
        leave([Match::OverLoopback, Match::From(ports::TO_APPLICATION_V4.into())]),
        leave([Match::OverLoopback, Match::From(ports::TO_APPLICATION_V6.into())]),
    ];
    let own_address = |loopback| [proxy, Match::OverLoopback, Match::Tcp, Match::NotTo(loopback)];
    rules.extend(unproxied_ports(options).map(|port| leave([proxy, to_port(port)])));
    rules.extend(LOOPBACK.map(|loopback| redirect(own_address(loopback), ports::INBOUND)));
    rules.push(leave([proxy]));
    rules.extend(options.exclude_uids.0.iter().map(|uid| leave([Match::User(*uid)])));
    rules.extend(LOOPBACK.map(|loopback| leave([Match::To(loopback)])));
    rules.extend(options.exclude_outbound_ports.0.iter().map(|port| leave([to_port(*port)])));
    rules.extend(
        options.exclude_outbound_cidrs.0.iter().map(|cidr| leave([Match::To(cidr.trunc())])),
    );
    rules.push(redirect([Match::Tcp], ports::OUTBOUND));
    rules
}

/// Ports of the pod at which nobody meets the proxy's inbound listener. The localhost listeners are
/// among them so that from elsewhere they are closed, rather than reached through the proxy.
fn unproxied_ports(options: &Options) -> impl Iterator<Item = u16> {
    let own = [ports::POD_ADMIN, ports::LOCAL_ADMIN, ports::OUTBOUND];
    own.into_iter().chain(options.exclude_inbound_ports.0.iter().copied())
}

fn leave(matches: impl Into<Vec<Match>>) -> Rule {
    Rule { matches: matches.into(), verdict: Verdict::Leave }
}

fn redirect(matches: impl Into<Vec<Match>>, port: u16) -> Rule {
    Rule { matches: matches.into(), verdict: Verdict::Redirect(port) }
}

const fn to_port(port: u16) -> Match {
    Match::ToPort(port)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inbound, outbound } = self;
        writeln!(f, "table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{")?;
        for (chain, hook, rules) in
            [(INBOUND, "prerouting", inbound), (OUTBOUND, "output", outbound)]
        {
            writeln!(f, "\tchain {chain} {{")?;
            writeln!(f, "\t\ttype nat hook {hook} priority {PRIORITY}; policy accept;")?;
            rules.iter().try_for_each(|rule| writeln!(f, "\t\t{rule}"))?;
            writeln!(f, "\t}}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.matches.iter().try_for_each(|condition| write!(f, "{condition} "))?;
        match self.verdict {
            Verdict::Leave => f.write_str("accept"),
            Verdict::Redirect(port) => write!(f, "redirect to :{port}"),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = |v4: bool| if v4 { "ip" } else { "ip6" };
        match self {
            Self::Tcp => f.write_str("meta l4proto tcp"),
            Self::OverLoopback => f.write_str("oifname \"lo\""),
            Self::User(uid) => write!(f, "meta skuid {uid}"),
            Self::ToPort(port) => write!(f, "tcp dport {port}"),
            Self::From(address) => write!(f, "{} saddr {address}", family(address.is_ipv4())),
            Self::To(net) => write!(f, "{} daddr {net}", family(net.addr().is_ipv4())),
            Self::NotTo(net) => write!(f, "{} daddr != {net}", family(net.addr().is_ipv4())),
        }
    }
}

pub(super) const TABLE: &str = "serin";
pub(super) const INBOUND: &str = "inbound";
pub(super) const OUTBOUND: &str = "outbound";
/// Where destination NAT happens.
pub(super) const PRIORITY: i32 = -100;

const LOOPBACK: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];
