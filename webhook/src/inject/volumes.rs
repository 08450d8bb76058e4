//! What the proxy reads from disk: the trust bundle, and a token that proves which pod it is in.

use api::names;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, PodSpec, ProjectedVolumeSource, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection,
};

use super::patch::Builder;

/// Adds the volumes, those that are not there yet.
pub(super) fn add(patch: &mut Builder, spec: &PodSpec) {
    let has = |name: &str| spec.volumes.iter().flatten().any(|volume| volume.name == name);
    let missing: Vec<_> = [trust(), token()].into_iter().filter(|it| !has(&it.name)).collect();
    patch.append("/spec/volumes", spec.volumes.is_some(), &missing);
}

/// Where the proxy sees them.
pub(super) fn mounts() -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..Default::default()
    };
    vec![mount(TRUST, "/var/run/serin/trust"), mount(TOKEN, "/var/run/serin/token")]
}

/// Not optional: the kubelet looks again at once for a volume that it cannot mount yet, and only
/// once a minute for one that it may do without. The operator writes the bundle a moment after a
/// namespace asks for proxies.
fn trust() -> Volume {
    let name = names::TRUST_CONFIG_MAP.to_owned();
    let config_map = ConfigMapVolumeSource { name, ..Default::default() };
    Volume { name: TRUST.to_owned(), config_map: Some(config_map), ..Default::default() }
}

fn token() -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(names::TOKEN_AUDIENCE.to_owned()),
        expiration_seconds: Some(3600),
        path: "token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..Default::default() };
    let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..Default::default() };
    Volume { name: TOKEN.to_owned(), projected: Some(projected), ..Default::default() }
}

const TRUST: &str = "serin-trust";
const TOKEN: &str = "serin-token";
