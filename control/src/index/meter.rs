//! What the index counts.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::snapshot::Snapshot;

/// How often the index publishes, how long that takes and how much it holds.
#[derive(Clone, Debug)]
pub struct Meter {
    snapshots: Counter,
    settle_seconds: Histogram,
    wait_seconds: Histogram,
    services: Gauge,
    pods: Gauge,
    unreadable_routes: Gauge,
}

impl Meter {
    /// Shown by nobody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            snapshots: Counter::default(),
            settle_seconds: Histogram::new(BUCKETS),
            wait_seconds: Histogram::new(BUCKETS),
            services: Gauge::default(),
            pods: Gauge::default(),
            unreadable_routes: Gauge::default(),
        }
    }

    /// Shown by `registry`.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let meter = Self::new();
        let Self { snapshots, settle_seconds, wait_seconds, services, pods, unreadable_routes } =
            meter.clone();
        registry.register("serin_index_snapshots", "Snapshots published", snapshots);
        let help = "Time to compile what had changed";
        registry.register("serin_index_settle_seconds", help, settle_seconds);
        let help = "Time that the oldest change of a snapshot waited for others";
        registry.register("serin_index_wait_seconds", help, wait_seconds);
        registry.register("serin_index_service_ports", "Ports of services known", services);
        registry.register("serin_index_pods", "Pods known", pods);
        let help = "HTTPRoutes that cannot be read and are not in force";
        registry.register("serin_index_unreadable_routes", help, unreadable_routes);
        meter
    }

    pub(super) fn unreadable_routes(&self, found: usize) {
        self.unreadable_routes.set(count(found));
    }

    pub(super) fn published(&self, snapshot: &Snapshot, waited: f64, settled: f64) {
        self.snapshots.inc();
        self.settle_seconds.observe(settled);
        self.wait_seconds.observe(waited);
        self.services.set(count(snapshot.services.len()));
        self.pods.set(count(snapshot.pods.len()));
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

const BUCKETS: [f64; 8] = [0.000_1, 0.001, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];
