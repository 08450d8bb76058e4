//! What is resident in a proxy that holds connections, or has seen many requests.

use std::ops::Range;

use anyhow::{Context as _, Result};

use super::{Rows, float, load, pids};
use crate::{
    CLIENT, SERVER, accounting,
    launch::{Place, Running, Who},
    pod::Report,
    scenario,
};

/// Measures each kind once.
pub(super) fn round(place: &Place, rows: &mut Rows) -> Result<()> {
    let idle = Held::by(place, "outbound", "idle", 0)?;
    rows.add(Who::Serin, "idle with identity", "MB", mb(idle.before));
    for (connections, figure) in [(1_000, "1,000 idle connections"), (10_000, TEN_THOUSAND)] {
        let held = Held::by(place, "outbound", "idle", connections)?;
        rows.add(Who::Serin, figure, "MB", mb(held.after));
        if connections == 10_000 {
            rows.add(Who::Serin, "idle HTTP/1 connection", "KB", held.each(connections));
        }
    }
    let held = Held::by(place, "inbound", "idle-tls", 100)?;
    let grown = held.after.saturating_sub(held.before);
    rows.add(Who::Serin, "100 idle mTLS connections", "MB", mb(grown));
    of_services(place, rows)?;
    distinct(place, rows)
}

/// What services cost: those that are called, and those that are only there.
fn of_services(place: &Place, rows: &mut Rows) -> Result<()> {
    let called = Held::calling(place, CALLED, WARM..CALLED)?;
    let each = called.each((CALLED - WARM) as u64);
    rows.add(Who::Serin, scenario::CALLED, "KB", each);
    let [one, all] = [1, KNOWN].map(|known| Held::calling(place, known, 0..1));
    let grown = Held { before: one?.grown(), after: all?.grown() };
    let each = grown.each(KNOWN as u64 - 1);
    rows.add(Who::Serin, scenario::NEVER_CALLED, "KB", each);
    Ok(())
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

    /// Of a pod that calls some of `known` services, after it has called all before those.
    fn calling(place: &Place, known: usize, called: Range<usize>) -> Result<Self> {
        let (_upstream, places) = place.upstream()?;
        let (known, end) = (known.to_string(), called.end.to_string());
        let args = ["--way", "outbound", "--services", &known, "--called", &end];
        let running = place.own("bench-pod", &args, &place.identity(CLIENT), places.http)?;
        let before = match called.start {
            0 => resident(&running)?,
            earlier => call(place, 0..earlier, &running)?,
        };
        let after = call(place, called, &running)?;
        Ok(Self { before, after })
    }

    const fn grown(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// What is added for each of `count`, in kilobytes of a thousand bytes.
    fn each(&self, count: u64) -> f64 {
        float(self.grown()) * 1.024 / float(count)
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
    watch(place, running, args.into_iter().chain(["--identity", &identity]))
}

/// Calls some of the services once; says what the proxy holds then.
fn call(place: &Place, services: Range<usize>, running: &Running) -> Result<u64> {
    let (target, count) = (running.entry.to_string(), services.len().to_string());
    let first = services.start.to_string();
    let args = ["--target", &target, "--shape", "services", "--connections", &count];
    watch(place, running, args.into_iter().chain(["--first", &first]))
}

/// Runs the load generator, waits until all rests, and says what the proxy holds then.
fn watch<'a>(place: &Place, running: &Running, args: impl Iterator<Item = &'a str>) -> Result<u64> {
    let mut args: Vec<_> = args.chain(["--warm", REST]).map(str::to_owned).collect();
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

/// Seconds: connections of HTTP/1 rest two seconds after their last request at the latest.
const REST: &str = "2.5";
/// How many services there are to be called.
const CALLED: usize = 1_100;
/// How many of them are called before it counts: what is made once is no cost of each.
const WARM: usize = 100;
/// How many services there are of which one is called.
const KNOWN: usize = 5_000;
const TEN_THOUSAND: &str = "10,000 idle connections";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_divided_in_kilobytes_of_a_thousand_bytes() {
        let each = Held { before: 1_000, after: 6_000 }.each(1_000);
        assert!((each - 5.12).abs() < 1e-9, "{each}");
    }

    #[test]
    fn what_shrinks_has_cost_nothing() {
        assert!(Held { before: 7, after: 5 }.each(10).abs() < f64::EPSILON);
    }
}
