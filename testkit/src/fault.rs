//! Faults on demand: errors by ratio, delay, and a crash after some time or some requests.
//!
//! The ratio and the delay can change while the application runs; probes are never struck.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;
use http::StatusCode;

use crate::{
    flags::{self, Ratio},
    tasks::Tasks,
};

/// The flags of it, the same for every application.
#[derive(Args, Clone, Debug)]
pub struct FaultArgs {
    /// The share of requests that fail, from 0 to 1
    #[arg(long, env = "TESTKIT_ERROR_RATIO", default_value = "0")]
    pub error_ratio: Ratio,
    /// The status they fail with
    #[arg(long, env = "TESTKIT_ERROR_STATUS", default_value = "500")]
    pub error_status: StatusCode,
    /// How long every answer is held back
    #[arg(long, env = "TESTKIT_DELAY", default_value = "0ms", value_parser = flags::duration)]
    pub delay: Duration,
    /// Exit with status 1 this long after the start
    #[arg(long, env = "TESTKIT_CRASH_AFTER", value_parser = flags::duration)]
    pub crash_after: Option<Duration>,
    /// Answer this many requests and exit with status 1 in the middle of the next one
    #[arg(long, env = "TESTKIT_CRASH_AFTER_REQUESTS")]
    pub crash_after_requests: Option<u64>,
}

/// What strikes the requests of one application. Clones share their state.
#[derive(Clone, Debug)]
pub struct Faults(Arc<State>);

#[derive(Debug)]
struct State {
    error_ratio: AtomicU64,
    error_status: StatusCode,
    delay_micros: AtomicU64,
    crash_after_requests: Option<u64>,
    requests: AtomicU64,
}

impl Faults {
    /// Arms the faults; a crash after some time is counted from here.
    #[must_use]
    pub fn new(args: &FaultArgs, tasks: &Tasks) -> Self {
        if let Some(after) = args.crash_after {
            tasks.spawn(async move {
                tokio::time::sleep(after).await;
                crash();
            });
        }
        let faults = Self(Arc::new(State {
            error_ratio: AtomicU64::new(args.error_ratio.get().to_bits()),
            error_status: args.error_status,
            delay_micros: AtomicU64::new(0),
            crash_after_requests: args.crash_after_requests,
            requests: AtomicU64::new(0),
        }));
        faults.set_delay(args.delay);
        faults
    }

    /// The share of requests that fail from now on.
    pub fn set_error_ratio(&self, ratio: Ratio) {
        self.0.error_ratio.store(ratio.get().to_bits(), Ordering::Relaxed);
    }

    /// How long answers are held back from now on.
    pub fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.0.delay_micros.store(micros, Ordering::Relaxed);
    }

    /// The share of requests that fail now.
    #[must_use]
    pub fn error_ratio(&self) -> f64 {
        f64::from_bits(self.0.error_ratio.load(Ordering::Relaxed))
    }

    /// How many requests came by.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Counts a request, holds it back, and says with which status it is to fail, if it is.
    pub async fn strike(&self) -> Option<StatusCode> {
        let before = self.0.requests.fetch_add(1, Ordering::Relaxed);
        if self.0.crash_after_requests.is_some_and(|limit| before >= limit) {
            crash();
        }
        let delay = Duration::from_micros(self.0.delay_micros.load(Ordering::Relaxed));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        draw(self.error_ratio()).then_some(self.0.error_status)
    }
}

/// True in `ratio` of all calls.
#[must_use]
pub fn draw(ratio: f64) -> bool {
    rand::random::<f64>() < ratio
}

#[expect(clippy::exit, reason = "a crash that cleaned up after itself would be no crash")]
fn crash() -> ! {
    std::process::exit(1)
}
