//! Which endpoint of a group gets the next request: the better of two drawn at random, by peak
//! EWMA.
//!
//! One worker's view: nothing here is shared between threads. What a load means and how two are
//! compared is decided here; who counts requests and measures them is the request path.

pub mod stride;

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// What one worker knows of how an endpoint is doing.
///
/// A slow answer counts at once and is forgotten slowly, so that an endpoint that stalls is left
/// alone before it has answered badly many times.
#[derive(Debug)]
pub struct Load {
    in_flight: Cell<u32>,
    /// Microseconds, decayed since `at`.
    average: Cell<f64>,
    at: Cell<Instant>,
}

/// Random numbers that are good enough to spread load and cost a nanosecond (SplitMix64). Never for
/// secrets.
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Load {
    /// The load of an endpoint nobody has used yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { in_flight: Cell::new(0), average: Cell::new(UNKNOWN_MICROS), at: Cell::new(now) }
    }

    /// Counts a request in.
    pub fn enter(&self) {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
    }

    /// Counts a request out.
    pub fn leave(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Notes how long an answer took.
    pub fn observe(&self, took: Duration, now: Instant) {
        let took = took.as_secs_f64() * 1e6;
        let (average, kept) = (self.average.get(), self.kept(now));
        let eased = average.mul_add(kept, took * (1.0 - kept));
        self.average.set(if took > average * kept { took } else { eased });
        self.at.set(now);
    }

    /// Notes that the endpoint could not be reached.
    pub fn fail(&self, now: Instant) {
        self.observe(PENALTY, now);
    }

    /// What a request sent here would cost, in no unit but comparable.
    #[must_use]
    pub fn cost(&self, now: Instant) -> f64 {
        (self.decayed(now) + FLOOR_MICROS) * f64::from(self.in_flight.get() + 1)
    }

    fn decayed(&self, now: Instant) -> f64 {
        self.average.get() * self.kept(now)
    }

    /// The part of what was known that still counts.
    fn kept(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at.get());
        (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

impl Dice {
    /// Dice that fall as `seed` says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&self, bound: usize) -> usize {
        let bound = bound as u64;
        // The high half of the product is even to within bound / 2^64.
        let scaled = u128::from(self.roll()) * u128::from(bound);
        usize::try_from(scaled >> 64).unwrap_or(0)
    }

    fn roll(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The candidate to use: the cheaper of two drawn at random, or the cheapest of what is left if
/// both are to be skipped; nothing if all are.
pub fn pick<'a, T>(
    candidates: &'a [T],
    dice: &Dice,
    cost: impl Fn(&T) -> f64,
    skip: impl Fn(&T) -> bool,
) -> Option<&'a T> {
    // There is nothing to compare.
    if let [only] = candidates {
        return (!skip(only)).then_some(only);
    }
    let first = dice.below(candidates.len());
    let second =
        (first + 1 + dice.below(candidates.len().saturating_sub(1))) % candidates.len().max(1);
    match (candidates.get(first)?, candidates.get(second)?) {
        (one, other) if skip(one) && skip(other) => candidates
            .iter()
            .filter(|candidate| !skip(candidate))
            .min_by(|a, b| cost(a).total_cmp(&cost(b))),
        (one, other) if skip(one) => Some(other),
        (one, other) if skip(other) => Some(one),
        (one, other) if cost(other) < cost(one) => Some(other),
        (one, _) => Some(one),
    }
}

/// The cheapest of the candidates that are not to be skipped, of equal ones any; nothing if all
/// are. For whoever has been turned away before: two drawn at random may both be about to leave.
pub fn pick_cheapest<'a, T>(
    candidates: &'a [T],
    dice: &Dice,
    cost: impl Fn(&T) -> f64,
    skip: impl Fn(&T) -> bool,
) -> Option<&'a T> {
    let (before, after) = candidates.split_at_checked(dice.below(candidates.len()))?;
    let left = after.iter().chain(before).filter(|candidate| !skip(candidate));
    left.min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

/// What an endpoint that was never used is taken to need: little, so that it is tried, and not
/// nothing, so that not all requests try it at once.
const UNKNOWN_MICROS: f64 = 1_000.0;
/// Below this, differences are noise and the number in flight decides.
const FLOOR_MICROS: f64 = 100.0;
/// What a failed connection counts as.
const PENALTY: Duration = Duration::from_secs(5);
/// How fast what was seen is forgotten.
const MEMORY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
