//! Says what is going on: a line when a step takes a while, and a line with its time at its end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Runs one step, prints its name and time, and names it in the error.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let watch = Stopwatch::start();
    let result = thread::scope(|scope| {
        let (done, waiting) = mpsc::channel::<()>();
        scope.spawn(move || remind(name, watch, &waiting));
        let result = work();
        drop(done);
        result
    });
    match &result {
        Ok(_) => println!("  {name}: {watch}"),
        Err(_) => println!("  {name}: failed after {watch}"),
    }
    result.with_context(|| format!("failed to {name}"))
}

/// Time since some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "shown to a person; nothing is decided by it")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl std::fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.elapsed().as_secs_f64();
        if seconds < 60.0 {
            write!(f, "{seconds:.1} s")
        } else {
            write!(f, "{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
        }
    }
}

fn remind(name: &str, watch: Stopwatch, done: &mpsc::Receiver<()>) {
    let mut pause = FIRST_REMINDER;
    while done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        println!("  {name} … {watch}");
        pause = NEXT_REMINDER;
    }
}

const FIRST_REMINDER: Duration = Duration::from_secs(3);
const NEXT_REMINDER: Duration = Duration::from_secs(15);
