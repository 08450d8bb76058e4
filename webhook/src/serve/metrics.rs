//! What the webhook counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// The webhook's metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    reviews: Family<Labels, Counter>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

impl Metrics {
    /// Registers the metrics.
    #[must_use]
    pub fn new(metrics: &runtime::telemetry::Metrics) -> Self {
        let all = Self::default();
        metrics.registry().register(
            "serin_webhook_reviews",
            "Admission reviews answered, by outcome",
            all.reviews.clone(),
        );
        all
    }

    pub(super) fn reviewed(&self, outcome: &'static str) {
        self.reviews.get_or_create(&Labels { outcome }).inc();
    }
}
