//! What taking a connection with mutual TLS costs: everything from accept to close.

use std::path::Path;

use anyhow::Result;

use super::{Rows, float, load, pids};
use crate::{
    CLIENT, SERVER,
    certificates::{self, Depth},
    launch::{Place, Who},
    load::Outcome,
    plan::Plan,
};

/// Measures each kind once.
pub(super) fn round(place: &Place, plan: &Plan, rows: &mut Rows) -> Result<()> {
    let flat = place.folder().join("flat");
    certificates::write(&flat, &[CLIENT, SERVER], Depth::Root)?;
    let deep = place.folder();
    let full = measure(place, plan, deep, "handshakes")?;
    let classical = measure(place, plan, &flat, "classical-handshakes")?;
    let resumed = measure(place, plan, deep, "resumed-handshakes")?;
    rows.add(Who::Serin, "X25519MLKEM768, intermediate", "1/s", per_core(&full));
    rows.add(Who::Serin, "X25519, one certificate", "1/s", per_core(&classical));
    rows.add(Who::Serin, "resumed", "1/s", per_core(&resumed));
    let share = float(resumed.resumed) / float(resumed.done.max(1));
    rows.add(Who::Serin, "resumed when the client would", "of 1", share);
    Ok(())
}

fn measure(place: &Place, plan: &Plan, folder: &Path, shape: &str) -> Result<Outcome> {
    let (_upstream, places) = place.upstream()?;
    let args = ["--way", "inbound", "--mesh"];
    let running = place.own("bench-pod", &args, &folder.join(SERVER), places.http)?;
    let (target, identity) = (running.entry.to_string(), folder.join(CLIENT));
    let (identity, seconds) = (identity.to_string_lossy(), plan.seconds.to_string());
    let args = ["--target", &target, "--shape", shape, "--identity", &identity];
    let more = ["--connections", "8", "--seconds", &seconds];
    let mut args: Vec<_> = args.into_iter().chain(more).map(str::to_owned).collect();
    args.extend(pids(&running.pids()));
    load(place, &args)
}

/// How many a core would take in a second, had it nothing else to do.
fn per_core(outcome: &Outcome) -> f64 {
    float(outcome.done) * 1e9 / float(outcome.cpu_ns.iter().sum::<u64>().max(1))
}
