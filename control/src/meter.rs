//! What serving counts. Labels come from closed sets.

use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};
use runtime::telemetry::Metrics;

/// One label from a closed set.
type Label = [(&'static str, &'static str); 1];

/// Counters of sessions, pushes and signatures.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Connections open now.
    pub connections: Gauge,
    /// Sessions open now.
    pub sessions: Gauge,
    /// Operators watching now.
    pub operators: Gauge,
    /// Seconds that a signature took, the review of the token included.
    pub sign_seconds: Histogram,
    /// Resources encoded.
    pub encoded: Counter,
    /// Pushes held back because the proxy holds a newer decision.
    pub held_back: Counter,
    handshakes: Family<Label, Counter>,
    ended: Family<Label, Counter>,
    pushed: Family<Label, Counter>,
    absent: Family<Label, Counter>,
    acked: Family<Label, Counter>,
    nacked: Family<Label, Counter>,
    signed: Family<Label, Counter>,
}

impl Meter {
    /// Counters, registered.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
        let meter = Self {
            connections: Gauge::default(),
            sessions: Gauge::default(),
            operators: Gauge::default(),
            sign_seconds: Histogram::new(buckets),
            encoded: Counter::default(),
            held_back: Counter::default(),
            handshakes: Family::default(),
            ended: Family::default(),
            pushed: Family::default(),
            absent: Family::default(),
            acked: Family::default(),
            nacked: Family::default(),
            signed: Family::default(),
        };
        meter.register(metrics);
        meter
    }

    fn register(&self, metrics: &Metrics) {
        let mut registry = metrics.registry();
        let registry = registry.sub_registry_with_prefix("serin_control");
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register("sessions", "Proxies connected", self.sessions.clone());
        registry.register("operators", "Operators watching", self.operators.clone());
        registry.register("sign_seconds", "Time to sign", self.sign_seconds.clone());
        registry.register("resources_encoded", "Resources encoded", self.encoded.clone());
        registry.register(
            "pushes_held_back",
            "Pushes not sent because the proxy holds a newer decision",
            self.held_back.clone(),
        );
        registry.register("handshakes", "TLS handshakes by outcome", self.handshakes.clone());
        registry.register("sessions_ended", "Sessions ended by reason", self.ended.clone());
        registry.register("pushes", "Resources pushed by kind", self.pushed.clone());
        registry.register("absences", "Negative answers by kind", self.absent.clone());
        registry.register("acks", "Versions in use by kind", self.acked.clone());
        registry.register("nacks", "Versions refused by kind", self.nacked.clone());
        registry.register("signatures", "Signing requests by outcome", self.signed.clone());
    }

    /// A TLS handshake came to its end.
    pub fn handshake(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A session ended.
    pub fn session_ended(&self, reason: &'static str) {
        self.ended.get_or_create(&[("reason", reason)]).inc();
    }

    /// A resource was pushed.
    pub fn pushed(&self, kind: &'static str) {
        self.pushed.get_or_create(&[("kind", kind)]).inc();
    }

    /// A proxy was told that there is nothing.
    pub fn absent(&self, kind: &'static str) {
        self.absent.get_or_create(&[("kind", kind)]).inc();
    }

    /// A proxy uses a version.
    pub fn acked(&self, kind: &'static str) {
        self.acked.get_or_create(&[("kind", kind)]).inc();
    }

    /// A proxy refused a version.
    pub fn nacked(&self, kind: &'static str) {
        self.nacked.get_or_create(&[("kind", kind)]).inc();
    }

    /// A signing request was answered.
    pub fn signed(&self, outcome: &'static str) {
        self.signed.get_or_create(&[("outcome", outcome)]).inc();
    }
}
