//! What is resident in a proxy that holds connections, or has seen many requests.

use anyhow::{Context as _, Result};

use super::{Rows, float, load, pids};
use crate::{
    CLIENT, SERVER, accounting,
    launch::{Place, Running, Who},
    pod::Report,
};

/// Measures each kind once.
pub(super) fn round(place: &Place, rows: &mut Rows) -> Result<()> {
    let idle = Held::by(place, "outbound", "idle", 0)?;
    rows.add(Who::Serin, "idle with identity", "MB", mb(idle.before));
    for (connections, figure) in [(1_000, "1,000 idle connections"), (10_000, TEN_THOUSAND)] {
        let held = Held::by(place, "outbound", "idle", connections)?;
        rows.add(Who::Serin, figure, "MB", mb(held.after));
        if connections == 10_000 {
            let each = float(held.after.saturating_sub(held.before)) / float(connections);
            rows.add(Who::Serin, "idle HTTP/1 connection", "KB", each);
        }
    }
    let held = Held::by(place, "inbound", "idle-tls", 100)?;
    let grown = held.after.saturating_sub(held.before);
    rows.add(Who::Serin, "100 idle mTLS connections", "MB", mb(grown));
    distinct(place, rows)
}

/// The second half of many requests of which no two are alike must leave nothing behind.
fn distinct(place: &Place, rows: &mut Rows) -> Result<()> {
    let (_upstream, places) = place.upstream()?;
    let mut running = start(place, "outbound", places.http)?;
    let half = |running: &mut Running| -> Result<(u64, Report)> {
        hold(place, "outbound", "distinct", 50_000, running)?;
        let child = running.children.first_mut().context("no proxy")?;
        Ok((accounting::of(child.pid())?.rss_kb, child.ask()?))
    };
    let (before, series) = half(&mut running)?;
    let (after, more) = half(&mut running)?;
    rows.add(Who::Serin, "50,000 more distinct requests", "MB", mb(after.saturating_sub(before)));
    let added = more.series.saturating_sub(series.series);
    rows.add(Who::Serin, "series of 50,000 more", "", float(added as u64));
    Ok(())
}

/// What a proxy held before and after, in KiB.
struct Held {
    before: u64,
    after: u64,
}

impl Held {
    fn by(place: &Place, way: &str, shape: &str, connections: u64) -> Result<Self> {
        let (_upstream, places) = place.upstream()?;
        let running = start(place, way, places.http)?;
        // One of each kind first: what is made once is no cost of each.
        hold(place, way, shape, 1, &running)?;
        let before = resident(&running)?;
        let after = hold(place, way, shape, connections, &running)?;
        Ok(Self { before, after })
    }
}

fn start(place: &Place, way: &str, to: std::net::SocketAddr) -> Result<Running> {
    let mut args = vec!["--way", way];
    if way == "inbound" {
        args.push("--mesh");
    }
    let name = if way == "inbound" { SERVER } else { CLIENT };
    place.own("bench-pod", &args, &place.identity(name), to)
}

fn hold(place: &Place, way: &str, shape: &str, connections: u64, running: &Running) -> Result<u64> {
    if connections == 0 {
        return resident(running);
    }
    let name = if way == "inbound" { CLIENT } else { SERVER };
    let (target, connections) = (running.entry.to_string(), connections.to_string());
    let identity = place.identity(name);
    let identity = identity.to_string_lossy();
    let args = ["--target", &target, "--shape", shape, "--connections", &connections];
    let more = ["--identity", &identity, "--warm", "1.5"];
    let mut args: Vec<_> = args.into_iter().chain(more).map(str::to_owned).collect();
    args.extend(pids(&running.pids()));
    let outcome = load(place, &args)?;
    outcome.rss_kb.first().copied().context("nobody was watched")
}

fn resident(running: &Running) -> Result<u64> {
    let child = running.children.first().context("no proxy")?;
    Ok(accounting::of(child.pid())?.rss_kb)
}

/// As in the goals: a megabyte is a thousand kilobytes of a thousand bytes.
fn mb(kib: u64) -> f64 {
    float(kib) * 1024.0 / 1e6
}

const TEN_THOUSAND: &str = "10,000 idle connections";
