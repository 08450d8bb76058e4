//! The one place that reads the time of day, so that tests can hold it.
//!
//! For spans and deadlines use tokio's time, which tests can pause; this is for what is compared
//! with the outside: certificates, timestamps, tokens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A clock: the system's, or one that stands still until it is told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    Fixed(Arc<Mutex<SystemTime>>),
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `now` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn fixed(now: SystemTime) -> Self {
        Self(Kind::Fixed(Arc::new(Mutex::new(now))))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Fixed(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Milliseconds since 1970; zero for a clock that stands before.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves a fixed clock; the system's clock takes no notice.
    pub fn advance(&self, by: Duration) {
        if let Kind::Fixed(now) = &self.0 {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
fn system_now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_for_all_its_copies() {
        let clock = Clock::fixed(UNIX_EPOCH);
        let copy = clock.clone();
        assert_eq!(copy.unix_millis(), 0);
        clock.advance(Duration::from_secs(2));
        assert_eq!(copy.unix_millis(), 2000);
    }
}
