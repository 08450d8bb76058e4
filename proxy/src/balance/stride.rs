//! Shares of traffic, exact: a walk over `0..total` that meets every point once per round.
//!
//! Drawing points at random would give a 1 % canary nothing for hundreds of requests, or 3 %. The
//! walk's step is near the golden section of the round, so any short stretch of it is even as well.
//! Each worker starts at a random place, else all proxies of a mesh would send their first request
//! to the same side.

use std::cell::Cell;

/// A walk over `0..total`.
#[derive(Debug)]
pub struct Stride {
    total: u64,
    step: u64,
    at: Cell<u64>,
}

impl Stride {
    /// A walk that starts at a place that `seed` chooses.
    #[must_use]
    pub fn new(total: u64, seed: u64) -> Self {
        let total = total.max(1);
        Self {
            total,
            step: coprime_near(total, golden_section(total)),
            at: Cell::new(seed % total),
        }
    }

    /// The next point.
    pub fn next(&self) -> u64 {
        let at = self.at.get();
        self.at.set((at + self.step) % self.total);
        at
    }

    /// How long a round is.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }
}

fn golden_section(total: u64) -> u64 {
    let section = u128::from(total) * 618_033_989 / 1_000_000_000;
    u64::try_from(section).unwrap_or(1)
}

/// The first number from `wanted` on that has no divisor in common with `total`, so that the walk
/// is whole.
fn coprime_near(total: u64, wanted: u64) -> u64 {
    (wanted.max(1)..).find(|step| greatest_common_divisor(total, *step) == 1).unwrap_or(1)
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;
