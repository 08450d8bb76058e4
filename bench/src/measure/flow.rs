//! What requests and bytes cost, and how much longer requests take.

use anyhow::{Result, bail};
use clap::ValueEnum as _;

use super::{Rows, float, load, pids};
use crate::{
    launch::{Hops, Place, Who, Wire},
    load::{Outcome, Shape},
    plan::Plan,
    scenario::{ADDED_P50, ADDED_P99, Kind, PER_GB, PER_REQUEST},
};

/// Measures each of `takers` once.
pub(super) fn round(
    place: &Place,
    plan: &Plan,
    kind: Kind,
    takers: &[Who],
    rows: &mut Rows,
) -> Result<()> {
    match kind {
        Kind::Latency { hops } => latencies(place, plan, hops, takers, rows),
        Kind::Flow { shape, wire, hops, connections } => {
            for who in takers {
                let flow = Flow { shape, wire, hops, connections };
                let outcome = flow.measure(place, plan.seconds, *who, WARM)?;
                flow.note(*who, &outcome, rows);
            }
            Ok(())
        }
        Kind::Handshakes | Kind::Memory => bail!("nothing flows here"),
    }
}

struct Flow {
    shape: Shape,
    wire: Wire,
    hops: Hops,
    connections: usize,
}

impl Flow {
    fn measure(&self, place: &Place, seconds: u32, who: Who, warm: f64) -> Result<Outcome> {
        let (_upstream, places) = place.upstream()?;
        let to = if self.wire == Wire::Bytes { places.bytes } else { places.http };
        let running = place.start(who, self.wire, self.hops, to)?;
        let shape = self.shape.to_possible_value().map(|value| value.get_name().to_owned());
        let mut args: Vec<String> = [
            ("--target", running.entry.to_string()),
            ("--shape", shape.unwrap_or_default()),
            ("--connections", self.connections.to_string()),
            ("--warm", warm.to_string()),
            ("--seconds", seconds.to_string()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
        args.extend(pids(&running.pids()));
        let outcome = load(place, &args)?;
        if outcome.done == 0 {
            bail!("nothing went through {}", who.name());
        }
        Ok(outcome)
    }

    fn note(&self, who: Who, outcome: &Outcome, rows: &mut Rows) {
        let cpu: u64 = outcome.cpu_ns.iter().sum();
        match self.shape {
            Shape::Bytes | Shape::Large => {
                let gb = float(outcome.bytes) / 1e9;
                if who != Who::Direct {
                    rows.add(who, PER_GB, "ms", float(cpu) / 1e6 / gb);
                }
                rows.add(who, "throughput", "GB/s", gb / outcome.seconds);
            }
            _ => {
                if who != Who::Direct {
                    rows.add(who, PER_REQUEST, "µs", float(cpu) / 1e3 / float(outcome.done));
                }
                rows.add(who, "rate", "1/s", float(outcome.done) / outcome.seconds);
            }
        }
    }
}

fn latencies(
    place: &Place,
    plan: &Plan,
    hops: Hops,
    takers: &[Who],
    rows: &mut Rows,
) -> Result<()> {
    let flow = Flow { shape: Shape::Paced, wire: Wire::Http1, hops, connections: 16 };
    let mut seen = Vec::new();
    for who in takers {
        let seconds = plan.seconds.max(PACED);
        let outcome = flow.measure(place, seconds, *who, WARM)?;
        seen.push((*who, percentile(&outcome, 50), percentile(&outcome, 99)));
        if *who != Who::Direct {
            let cpu: u64 = outcome.cpu_ns.iter().sum();
            rows.add(*who, PER_REQUEST, "µs", float(cpu) / 1e3 / float(outcome.done));
        }
    }
    let direct = seen.iter().find(|(who, ..)| *who == Who::Direct).copied();
    for (who, p50, p99) in seen {
        rows.add(who, "p50", "µs", p50);
        rows.add(who, "p99", "µs", p99);
        if let Some((_, direct50, direct99)) = direct.filter(|_| who != Who::Direct) {
            rows.add(who, ADDED_P50, "µs", p50 - direct50);
            rows.add(who, ADDED_P99, "µs", p99 - direct99);
        }
    }
    Ok(())
}

/// How long all but the slowest took, in microseconds.
fn percentile(outcome: &Outcome, percent: usize) -> f64 {
    let took = &outcome.took_us;
    let at = (took.len() * percent).div_ceil(100).saturating_sub(1);
    took.get(at).copied().map_or(0.0, f64::from)
}

/// Seconds before anything counts.
const WARM: f64 = 0.5;
/// Seconds at a pace: of fewer than a few thousand requests, the slowest of a hundred is chance.
const PACED: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let outcome = Outcome { took_us: (1..=200).collect(), ..Outcome::default() };
        assert_eq!(percentile(&outcome, 50), 100.0);
        assert_eq!(percentile(&outcome, 99), 198.0);
        assert_eq!(percentile(&Outcome::default(), 50), 0.0);
    }
}
