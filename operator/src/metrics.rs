//! What the operator counts about itself and the mesh, for Prometheus.

use std::sync::atomic::AtomicU64;

use api::mesh::MeshInstallationStatus;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// The operator's gauges, and a counter. They speak of the mesh only while this process acts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    acting: Gauge,
    ready: Gauge,
    proxies: Gauge,
    synced: Gauge,
    unmeshed: Gauge,
    rollouts_active: Gauge,
    rollouts_failed: Gauge,
    rollout_panics: Counter,
    root_expires: Gauge<f64, AtomicU64>,
}

impl Gauges {
    /// Gauges that `registry` shows.
    pub(crate) fn registered(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        let mut show = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(format!("serin_{name}"), help, gauge.clone());
        };
        show("operator_acting", "Whether this replica acts", &gauges.acting);
        show("mesh_ready", "Whether the mesh is ready", &gauges.ready);
        show("mesh_proxies", "Proxies that live", &gauges.proxies);
        show("mesh_proxies_synced", "Proxies that hold the newest of all", &gauges.synced);
        show("mesh_unmeshed_pods", "Pods that should have a proxy", &gauges.unmeshed);
        show("rollouts_active", "Rollouts under way", &gauges.rollouts_active);
        show("rollouts_failed", "Rollouts whose release failed", &gauges.rollouts_failed);
        let (name, help) = ("serin_operator_rollout_panics", "Loops of rollouts that broke");
        registry.register(name, help, gauges.rollout_panics.clone());
        let (name, help) = ("serin_ca_root_expiry_timestamp_seconds", "When the root expires");
        registry.register(name, help, gauges.root_expires.clone());
        gauges
    }

    /// Says whether this process acts.
    pub(crate) fn act(&self, acts: bool) {
        self.acting.set(i64::from(acts));
    }

    /// Counts a rollout's loop that broke and is made anew.
    pub(crate) fn rollout_panicked(&self) {
        self.rollout_panics.inc();
    }

    /// Says how the mesh is.
    pub(crate) fn show(&self, status: &MeshInstallationStatus) {
        let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        self.ready.set(i64::from(ready));
        if let Some(proxies) = &status.proxies {
            self.proxies.set(i64::from(proxies.total));
            self.synced.set(i64::from(proxies.synced));
        }
        self.unmeshed.set(i64::from(status.unmeshed.unwrap_or(0)));
        if let Some(rollouts) = &status.rollouts {
            self.rollouts_active.set(i64::from(rollouts.active));
            self.rollouts_failed.set(i64::from(rollouts.failed));
        }
        let expires = status.ca.as_ref().and_then(|ca| ca.root_expires_at.as_ref());
        if let Some(seconds) = expires.and_then(|time| u32::try_from(time.0.as_second()).ok()) {
            self.root_expires.set(f64::from(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use api::mesh::ProxiesStatus;
    use runtime::telemetry::Metrics;

    use super::*;

    #[test]
    fn what_the_status_says_is_shown() {
        let metrics = Metrics::new();
        let gauges = Gauges::registered(&mut metrics.registry());
        let proxies = ProxiesStatus { total: 5, synced: 4, laggards: Vec::new() };
        let status = MeshInstallationStatus {
            proxies: Some(proxies),
            unmeshed: Some(2),
            ..MeshInstallationStatus::default()
        };
        gauges.show(&status);
        gauges.rollout_panicked();
        let text = metrics.encode().unwrap();
        for line in [
            "serin_mesh_proxies 5",
            "serin_mesh_proxies_synced 4",
            "serin_mesh_unmeshed_pods 2",
            "serin_operator_rollout_panics_total 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
