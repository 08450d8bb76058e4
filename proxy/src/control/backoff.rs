//! How long to wait before the next attempt: twice as long each time, up to a bound, and never the
//! same for two proxies that failed together.

use std::time::Duration;

/// Waits between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// As if nothing had failed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: SHORTEST }
    }

    /// How long to wait after one more failure: at random between half of the turn's span and all
    /// of it.
    pub fn after_failure(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(LONGEST);
        span.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// How long to wait after what succeeded has ended again: not at all if it lasted. If it did
    /// not, that it had begun was no success.
    pub fn after_end(&mut self, lasted: Duration) -> Duration {
        if lasted < LONGEST {
            return self.after_failure();
        }
        self.reset();
        Duration::ZERO
    }

    /// Forgets all failures.
    pub const fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_start_again_after_a_success() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..12).map(|_| backoff.after_failure()).collect();
        assert!(waits[0] >= SHORTEST / 2 && waits[0] <= SHORTEST, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
        assert!(waits[11] >= LONGEST / 2, "{waits:?}");
        backoff.reset();
        assert!(backoff.after_failure() <= SHORTEST);
    }

    #[test]
    fn what_ends_at_once_is_begun_again_less_and_less_often_and_what_lasted_at_once() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..8).map(|_| backoff.after_end(Duration::from_secs(1))).collect();
        assert!(waits[0] >= SHORTEST / 2 && waits[7] >= LONGEST / 2, "{waits:?}");
        assert_eq!(backoff.after_end(LONGEST), Duration::ZERO);
        assert!(backoff.after_end(Duration::ZERO) <= SHORTEST);
    }
}
