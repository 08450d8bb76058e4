//! What discovery counts of itself.

use model::key::Key;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use runtime::telemetry;
use wire::message::ToControl;

/// The metrics of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    connected: Gauge,
    keys: Gauge,
    pushes: Family<Kind, Counter>,
    refusals: Counter,
    streams: Counter,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Kind {
    key: &'static str,
}

impl Metrics {
    pub(super) fn register(&self, metrics: &telemetry::Metrics) {
        let mut all = metrics.registry();
        let registry = all.sub_registry_with_prefix("serin_proxy_discovery");
        let Self { connected, keys, pushes, refusals, streams } = self;
        registry.register("connected", "Whether a stream to control is open", connected.clone());
        registry.register("keys", "Keys subscribed to", keys.clone());
        registry.register("pushes", "Resources received, by kind of key", pushes.clone());
        registry.register("refusals", "Resources refused", refusals.clone());
        registry.register("streams", "Streams to control that were opened", streams.clone());
    }

    pub(super) fn connected(&self, is_connected: bool) {
        self.connected.set(i64::from(is_connected));
        if is_connected {
            self.streams.inc();
        }
    }

    pub(super) fn pushed(&self, key: &Key) {
        self.pushes.get_or_create(&Kind { key: key.label() }).inc();
    }

    pub(super) fn note(&self, keys: usize, sent: &[ToControl]) {
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        let refused = sent.iter().filter(|message| matches!(message, ToControl::Nack(_))).count();
        self.refusals.inc_by(u64::try_from(refused).unwrap_or(u64::MAX));
    }
}
