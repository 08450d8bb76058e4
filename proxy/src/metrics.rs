//! What the data plane counts: Istio's standard metrics, by Istio's names and labels, so that
//! dashboards and queries that exist keep working, and a few of our own about refusals.
//!
//! Every worker writes to a shard of its own and nobody else does, so that counting costs plain
//! loads and stores; a scrape adds the shards up. Series are bounded in number and are dropped when
//! nobody has used them for a while.

mod collect;
mod event;
mod histogram;
pub mod labels;
mod series;
mod table;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::{
    event::Event,
    series::{MessageSeries, RequestSeries, StreamSeries},
};
use self::{
    event::Events,
    labels::{MessageLabels, PathLabels, RequestLabels},
    table::Table,
};

/// All shards, for whoever answers a scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    shards: Arc<Mutex<Vec<Arc<Shard>>>>,
}

/// What one worker counts.
#[derive(Debug)]
pub struct Shard {
    requests: Table<RequestLabels, RequestSeries>,
    messages: Table<MessageLabels, MessageSeries>,
    streams: Table<Arc<PathLabels>, StreamSeries>,
    events: Events,
}

impl Metrics {
    /// No shards yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shard for one more worker.
    #[must_use]
    pub fn shard(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::new(SERIES));
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&shard));
        shard
    }

    /// Adds the data plane's metrics to what the process answers scrapes with.
    pub fn register(&self, metrics: &runtime::telemetry::Metrics) {
        metrics.registry().register_collector(Box::new(self.clone()));
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shard {
    fn new(series: usize) -> Self {
        Self {
            requests: Table::new(series),
            messages: Table::new(series),
            streams: Table::new(series),
            events: Events::default(),
        }
    }

    /// The series of requests with these labels. Look it up once and keep it for as long as
    /// [`RequestSeries::is_kept`].
    #[must_use]
    pub fn requests(&self, labels: RequestLabels) -> Arc<RequestSeries> {
        self.requests.series(labels)
    }

    /// The series of gRPC's messages with these labels. As with [`Self::requests`].
    #[must_use]
    pub fn messages(&self, labels: MessageLabels) -> Arc<MessageSeries> {
        self.messages.series(labels)
    }

    /// The series of byte streams between these two.
    #[must_use]
    pub fn streams(&self, path: Arc<PathLabels>) -> Arc<StreamSeries> {
        self.streams.series(path)
    }

    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.events.count(event);
    }

    /// Drops series that nobody has used since it was last called. Call it every [`FORGET_AFTER`].
    pub fn forget_unused(&self) {
        self.requests.forget_unused();
        self.messages.forget_unused();
        self.streams.forget_unused();
    }
}

/// How long a series is kept without being used (twice that at most).
pub const FORGET_AFTER: std::time::Duration = std::time::Duration::from_secs(600);

/// How many series of one kind a worker keeps; what comes after them is counted in one series
/// together.
const SERIES: usize = 10_000;

#[cfg(test)]
mod tests;
