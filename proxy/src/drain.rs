//! Whether the proxy is on its way out, and whether anything still keeps it.
//!
//! While it drains it goes on accepting (its peers learn late that the pod is leaving), but reuses
//! nothing and tells peers to reconnect elsewhere. Who carries traffic counts it on a [`Gauge`] of
//! its own, so that no two workers write to one counter.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::watch, time::Instant};

pub mod command;

/// Where the proxy stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// All is as usual.
    Serving,
    /// The proxy leaves when nothing is in flight any more, and at `deadline` in any case.
    Draining {
        /// When whatever is left is cut.
        deadline: Instant,
    },
}

/// A handle on the state, shared by all.
#[derive(Clone, Debug)]
pub struct Drain {
    state: watch::Sender<State>,
    counts: Arc<ArcSwap<Vec<Arc<AtomicUsize>>>>,
}

/// Counts what one worker has in flight: requests, and connections that carry bytes of no known
/// protocol. Only the worker writes to it, so that counting costs no locked instruction.
#[derive(Debug)]
pub struct Gauge(Rc<Count>);

/// Something in flight, until it is dropped.
#[derive(Debug)]
pub struct InFlight(Rc<Count>);

/// What a worker counts, and others read. Those who count share it without a locked instruction.
#[derive(Debug)]
struct Count(Arc<AtomicUsize>);

impl Drain {
    /// A proxy that serves.
    #[must_use]
    pub fn new() -> Self {
        Self { state: watch::Sender::new(State::Serving), counts: Arc::default() }
    }

    /// Where the proxy stands now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Whether the proxy is on its way out.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state() != State::Serving
    }

    /// Where the proxy stands, as it changes.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Begins to drain. A second call can bring the deadline nearer and never moves it away.
    pub fn begin(&self, deadline: Instant) {
        self.state.send_if_modified(|state| match state {
            State::Draining { deadline: set } if *set <= deadline => false,
            State::Serving | State::Draining { .. } => {
                *state = State::Draining { deadline };
                true
            }
        });
    }

    /// A counter for one more worker.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        let count = Arc::new(AtomicUsize::new(0));
        self.counts.rcu(|counts| {
            let mut counts = Vec::clone(counts);
            counts.push(Arc::clone(&count));
            counts
        });
        Gauge(Rc::new(Count(count)))
    }

    /// What all workers have in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.counts.load().iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Waits until the proxy drains and nothing is in flight, or its deadline has come; says what
    /// was left.
    pub async fn finished(&self) -> usize {
        let mut changed = self.changed();
        loop {
            let deadline = match *changed.borrow_and_update() {
                State::Draining { deadline } => Some(deadline),
                State::Serving => None,
            };
            let left = self.in_flight();
            match deadline {
                Some(deadline) if left == 0 || deadline <= Instant::now() => return left,
                Some(deadline) => {
                    tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_AGAIN)).await;
                }
                // The sender lives in `self`, so this cannot fail; if it did, there would be no one
                // to wait for.
                None if changed.changed().await.is_err() => return left,
                None => {}
            }
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauge {
    /// Counts one more thing in flight, until the result is dropped.
    #[must_use]
    pub fn enter(&self) -> InFlight {
        self.0.set(self.0.value() + 1);
        InFlight(Rc::clone(&self.0))
    }

    /// How much is in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.value()
    }
}

impl Count {
    fn value(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.set(self.0.value().saturating_sub(1));
    }
}

/// How often a draining proxy looks whether it is idle.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
