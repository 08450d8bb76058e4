//! What the operator tells the webhook: everything that pods are injected with and that is not the
//! pod's own to say.
//!
//! The operator writes it as JSON into the ConfigMap [`names::WEBHOOK_CONFIG`], which is mounted
//! into the webhook at [`names::WEBHOOK_CONFIG_FILE`]; a change rolls the webhook's Deployment, so
//! that it holds at once. `serinctl inject` uses the default.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};

use crate::{mesh::MeshInstallationSpec, names};

/// What pods are injected with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// The version of the proxy; also the value of the annotation [`names::INJECTED`].
    pub version: String,
    /// The image of the proxy and of the redirection.
    pub image: String,
    /// The namespace of the control plane.
    pub system_namespace: String,
    /// Where proxies find the control plane, as `host:port`.
    pub control: String,
    /// The trust domain of every identity.
    pub trust_domain: String,
    /// Whether Istio's injection labels count as Serin's own.
    pub honour_istio_labels: bool,
    /// CPU and memory of the proxy, where a pod says nothing else.
    pub resources: ResourceRequirements,
    /// Data-plane threads; by the CPU limit if absent.
    pub workers: Option<i32>,
    /// What proxies log.
    pub log_level: String,
    /// The longest a proxy drains, in seconds.
    pub drain_seconds: u64,
}

impl WebhookConfig {
    /// What `spec` asks for, with images named `<images>/serin-proxy:<version>`.
    #[must_use]
    pub fn of(spec: &MeshInstallationSpec, images: &str, version: &str) -> Self {
        let namespace = &spec.namespace.0;
        let (proxy, control, port) = (&spec.proxy, names::CONTROL, names::CONTROL_PORT);
        Self {
            version: version.to_owned(),
            image: format!("{images}/{}:{version}", names::PROXY_CONTAINER),
            system_namespace: namespace.clone(),
            control: format!("{control}.{namespace}.svc:{port}"),
            trust_domain: spec.trust_domain.0.clone(),
            honour_istio_labels: spec.injection.honour_istio_labels,
            resources: proxy.resources.clone().unwrap_or_else(default_resources),
            workers: proxy.workers,
            log_level: proxy.log_level.clone(),
            drain_seconds: proxy.drain.0.as_secs().max(1),
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        let spec = MeshInstallationSpec::default();
        Self::of(&spec, names::IMAGES, env!("CARGO_PKG_VERSION"))
    }
}

/// What a proxy asks for where nobody says otherwise: no CPU limit, because throttling a proxy is a
/// tail latency for its application.
fn default_resources() -> ResourceRequirements {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    let quantity = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
    ResourceRequirements {
        requests: Some([quantity("cpu", "10m"), quantity("memory", "32Mi")].into()),
        limits: Some([quantity("memory", "512Mi")].into()),
        claims: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_what_this_version_ships() {
        let config = WebhookConfig::default();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(config.image, format!("serin.dev/serin-proxy:{version}"));
        assert_eq!(config.control, "serin-control.serin-system.svc:15012");
        assert_eq!(config.drain_seconds, 30);
    }

    #[test]
    fn what_is_written_reads_back() {
        let config = WebhookConfig::default();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<WebhookConfig>(&text).unwrap(), config);
    }

    #[test]
    fn a_part_is_filled_up_with_defaults() {
        let config: WebhookConfig = serde_json::from_str(r#"{"logLevel":"debug"}"#).unwrap();
        assert_eq!(config, WebhookConfig { log_level: "debug".into(), ..Default::default() });
    }
}
