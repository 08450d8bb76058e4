//! What identity counts of itself.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::telemetry;

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    not_after: Gauge,
    signed: Counter,
    failed: Counter,
}

impl Metrics {
    pub(super) fn register(&self, metrics: &telemetry::Metrics) {
        let mut all = metrics.registry();
        let registry = all.sub_registry_with_prefix("serin_proxy_certificate");
        let Self { not_after, signed, failed } = self;
        let help = "When the certificate in use expires, in seconds since 1970";
        registry.register("expiry_timestamp_seconds", help, not_after.clone());
        registry.register("signed", "Certificates received", signed.clone());
        registry.register("failures", "Attempts to get one that failed", failed.clone());
    }

    pub(super) fn signed(&self, not_after: Option<SystemTime>) {
        self.signed.inc();
        let since = not_after.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
        self.not_after.set(seconds.unwrap_or(0));
    }

    pub(super) fn failed(&self) {
        self.failed.inc();
    }
}
