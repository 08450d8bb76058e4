//! When each request is meant to be sent: fixed at the start, handed out one by one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// A timetable shared by all lanes.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    interval: Duration,
    limit: Option<u64>,
    next: AtomicU64,
}

impl Pace {
    /// A timetable that begins now.
    pub(super) fn start(rate: f64, duration: Option<Duration>) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let limit = duration.map(|all| all.as_nanos() / interval.as_nanos().max(1));
        let limit = limit.map(|limit| u64::try_from(limit).unwrap_or(u64::MAX));
        Self { start: Instant::now(), interval, limit, next: AtomicU64::new(0) }
    }

    /// When the caller's next request is due; `None` when there is none.
    pub(super) fn take(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.limit.is_some_and(|limit| number >= limit) {
            return None;
        }
        let nanos = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        Some(self.start + Duration::from_nanos(nanos.saturating_mul(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_due_at_even_distances_whoever_takes_them() {
        let begin = Instant::now();
        let pace = Pace::start(200.0, Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(5)).await;
        let due: Vec<_> = std::iter::from_fn(|| pace.take()).collect();
        assert_eq!(due.len(), 200);
        assert_eq!(due[0], begin);
        assert_eq!(due[199] - begin, Duration::from_millis(995));
    }

    #[tokio::test]
    async fn without_a_duration_there_is_always_another() {
        let pace = Pace::start(1e6, None);
        assert!((0..10_000).all(|_| pace.take().is_some()));
    }
}
