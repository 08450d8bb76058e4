//! The index: the one task that knows the cluster. It takes changes in, compiles what they touch
//! and publishes the result as one immutable snapshot.
//!
//! Changes come in bursts, so it waits until they have paused for a moment; a decision that takes
//! traffic away is not waited with. Nothing is published before every first list is complete, the
//! mesh is declared and its roots are there.

use std::{sync::Arc, time::Duration};

use model::{decision::Decision, trust::Trust};
use runtime::{readiness::Pending, tasks::Tasks};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

pub use dirty::Dirty;
pub use meter::Meter;
pub use relations::Relations;
pub use settle::Settled;
pub use world::World;

use crate::{
    compile::destination::ClusterDomain,
    routes::{Scribe, Sheet},
    snapshot::Snapshot,
    view::{View, Views},
    watch::Event,
};

mod dirty;
#[cfg(test)]
pub(crate) mod for_tests;
mod meter;
mod relations;
mod settle;
mod world;

/// What the index is fed with.
#[derive(Debug)]
pub struct Inputs {
    /// Changes of the cluster.
    pub events: mpsc::Receiver<Event>,
    /// The decisions that the operator sent, all of them.
    pub decisions: watch::Receiver<Arc<Vec<Decision>>>,
    /// The roots; nothing while they are not known.
    pub trust: watch::Receiver<Option<Arc<Trust>>>,
}

/// What the index publishes.
#[derive(Debug)]
pub struct Outputs {
    /// For proxies. Empty until the index is ready: serve nobody before.
    pub views: Views,
    /// What is to be said of routes.
    pub routes: Sheet,
}

/// What the index is told at its start.
#[derive(Debug)]
pub struct Setup {
    /// Where services have their names.
    pub domain: ClusterDomain,
    /// Given back with the first snapshot.
    pub known: Pending,
    /// Counts.
    pub meter: Meter,
}

/// Runs the index.
pub fn spawn(tasks: &Tasks, setup: Setup, inputs: Inputs) -> Outputs {
    let Setup { domain, known, meter } = setup;
    let empty: Arc<dyn View> = Arc::new(Snapshot::empty(domain.clone()));
    let (publish, views) = watch::channel(empty);
    let (scribe, routes) = Scribe::new();
    let world = World::new(domain);
    let settled = Settled::new(&world);
    let (known, waiting) = (Some(known), None);
    let index = Index { world, settled, scribe, publish, meter, known, waiting };
    tasks.spawn_critical("index", index.run(inputs, tasks.token()));
    Outputs { views, routes }
}

struct Index {
    world: World,
    settled: Settled,
    scribe: Scribe,
    publish: watch::Sender<Arc<dyn View>>,
    meter: Meter,
    /// Until the first snapshot.
    known: Option<Pending>,
    /// When the oldest change that is not published came in, and the newest.
    waiting: Option<(Instant, Instant)>,
}

impl Index {
    async fn run(mut self, inputs: Inputs, stopping: CancellationToken) {
        let Inputs { mut events, mut decisions, mut trust } = inputs;
        self.world.take_trust(trust.borrow_and_update().clone());
        self.world.take_decisions(Arc::clone(&decisions.borrow_and_update()));
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                Ok(()) = decisions.changed() => {
                    self.world.take_decisions(Arc::clone(&decisions.borrow_and_update()));
                    self.publish();
                }
                Ok(()) = trust.changed() => {
                    self.world.take_trust(trust.borrow_and_update().clone());
                    self.publish();
                }
                () = sleep_until(self.due()), if self.waiting.is_some() => self.publish(),
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => return,
                },
            }
        }
    }

    fn take(&mut self, event: Event) {
        self.world.take(event);
        if !self.world.is_clean() {
            let now = Instant::now();
            let first = self.waiting.map_or(now, |(first, _)| first);
            self.waiting = Some((first, now));
        }
    }

    /// When changes have paused for long enough, or the oldest has waited for long enough.
    fn due(&self) -> Instant {
        let now = Instant::now();
        self.waiting.map_or(now, |(first, last)| (last + QUIET).min(first + LONGEST))
    }

    fn publish(&mut self) {
        let begun = Instant::now();
        let waited = self.waiting.take().map_or(Duration::ZERO, |(first, _)| begun - first);
        if !self.world.is_complete() {
            debug!(pending = ?self.world.pending(), "not published yet");
            return;
        }
        let dirty = self.world.take_dirty();
        if dirty.is_clean() {
            return;
        }
        if !dirty.routes.is_empty() {
            self.meter.unreadable_routes(self.world.unreadable_routes());
            self.scribe.settle(&self.world, dirty.routes.iter());
        }
        self.settled.settle(&self.world, dirty);
        let snapshot = self.settled.snapshot();
        self.meter.published(&snapshot, waited.as_secs_f64(), begun.elapsed().as_secs_f64());
        if let Some(known) = self.known.take() {
            info!(?snapshot, "first snapshot");
            known.ready();
        }
        self.publish.send_replace(Arc::new(snapshot));
    }
}

/// How long changes must pause before they are published.
const QUIET: Duration = Duration::from_millis(10);
/// How long a change waits at most.
const LONGEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
