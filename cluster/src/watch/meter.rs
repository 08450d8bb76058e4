//! What watches count.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counters of all watches of a process, by kind.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    events: Family<Kind, Counter>,
    lists: Family<Kind, Counter>,
    failures: Family<Kind, Counter>,
}

#[derive(Clone, Debug, Eq, PartialEq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

impl Meter {
    /// Counters that `registry` shows.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let meter = Self::default();
        let Self { events, lists, failures } = meter.clone();
        registry.register("serin_watch_events", "Changes that watches reported", events);
        registry.register("serin_watch_lists", "Lists that watches completed", lists);
        registry.register("serin_watch_failures", "Requests of watches that failed", failures);
        meter
    }

    pub(super) fn event(&self, kind: &'static str) {
        self.events.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn listed(&self, kind: &'static str) {
        self.lists.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn failure(&self, kind: &'static str) {
        self.failures.get_or_create(&Kind { kind }).inc();
    }
}
