//! The webhook's settings, as the ConfigMap that is mounted into it.

use api::{names, webhook_config::WebhookConfig};
use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest as _, Sha256};

use super::label::local;
use crate::mesh::valid::Valid;

pub(super) fn of(valid: &Valid) -> ConfigMap {
    let config = WebhookConfig::of(&valid.spec, &valid.images, &valid.version);
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    ConfigMap {
        metadata: local(valid, names::WEBHOOK_CONFIG),
        data: Some([(names::WEBHOOK_CONFIG_KEY.to_owned(), text)].into()),
        ..ConfigMap::default()
    }
}

/// What changes when the settings do.
pub(super) fn hash(config: &ConfigMap) -> String {
    let text = config.data.iter().flatten().map(|(_, text)| text.as_str()).collect::<String>();
    let digest = Sha256::digest(text);
    hex::encode(digest.iter().copied().take(8).collect::<Vec<u8>>())
}
