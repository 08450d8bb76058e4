//! A histogram with the bounds that Istio's dashboards expect, written by one thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts per bound, and their sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    /// Thousandths of the unit.
    sum: AtomicU64,
}

/// What a histogram, or several added up, say.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    counts: [u64; BUCKETS],
    thousandths: u64,
}

impl Histogram {
    /// Counts a value, given in thousandths. Only the owning thread may call it.
    pub(super) fn observe(&self, thousandths: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < thousandths);
        if let Some(count) = self.counts.get(bucket) {
            add(count, 1);
        }
        add(&self.sum, thousandths);
    }
}

impl Reading {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (total, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *total += count.load(Ordering::Relaxed);
        }
        self.thousandths = self.thousandths.wrapping_add(histogram.sum.load(Ordering::Relaxed));
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum(&self) -> f64 {
        in_units(self.thousandths)
    }

    /// The bounds in units, each with its own count (not cumulated).
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(|bound| in_units(*bound)).chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

/// Adds without a locked instruction: the shard's worker is the only one that writes.
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums beyond 2^53 thousandths lose what nobody reads"
)]
fn in_units(thousandths: u64) -> f64 {
    thousandths as f64 / 1_000.0
}

const BUCKETS: usize = BOUNDS.len() + 1;

/// In thousandths of a millisecond, or of a byte.
const BOUNDS: [u64; 19] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];
