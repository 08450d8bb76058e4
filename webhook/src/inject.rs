//! The injection: from a pod and what is known about it to a patch, and nothing else.
//!
//! Idempotent: a pod that has its proxy already gets only what other webhooks left undone since,
//! which is the probes of containers that they added.

use api::{
    injection::{LeftAlone, Rule, Traits},
    names,
    webhook_config::WebhookConfig,
};
use json_patch::Patch;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

mod annotations;
mod eligible;
mod patch;
mod probes;
mod sidecar;
mod volumes;
mod workload;

pub use annotations::Invalid;
pub use eligible::Refused;
pub use workload::Workload;

use annotations::PodSettings;
use patch::Builder;
use probes::Probes;

/// What the webhook knows about a pod besides the pod.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Circumstances {
    /// The namespace it is made in.
    pub namespace: String,
    /// What the namespace's Pod Security level is, if it enforces one.
    pub pod_security: Option<String>,
    /// Whether a rollout holds this revision back until it is promoted.
    pub gated: bool,
}

/// What becomes of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Injection {
    /// It stays as it is.
    Leave(LeftAlone),
    /// It gets what the patch adds.
    Patch(Patched),
}

/// A patch, and what the pod's author should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patched {
    /// `add` operations only.
    pub patch: Patch,
    /// Sentences for the one who applies the pod.
    pub warnings: Vec<String>,
}

/// Says what becomes of `pod`.
///
/// # Errors
/// If the pod must not be made as it is: the sentence names the field and the fix.
pub fn inject(
    pod: &Pod,
    config: &WebhookConfig,
    around: &Circumstances,
) -> Result<Injection, Refused> {
    let Some(spec) = &pod.spec else { return Ok(Injection::Leave(LeftAlone::NoSpec)) };
    let rule =
        Rule { own: &config.system_namespace, honour_istio_labels: config.honour_istio_labels };
    if let Some(why) = rule.left_alone(&around.namespace, &Traits::of(pod)) {
        return Ok(Injection::Leave(why));
    }
    let already = eligible::has_proxy(spec);
    eligible::check(spec, around)?;
    let settings = PodSettings::of(pod, config)?;
    let workload = Workload::of(pod, &around.namespace);
    let probes = Probes::of(spec);
    let mut patch = Builder::new();
    metadata(&mut patch, pod, config, &workload);
    if already {
        again(&mut patch, spec, &probes);
    } else {
        volumes::add(&mut patch, spec);
        let containers = [
            sidecar::redirect(config, &settings),
            sidecar::proxy(config, &settings, &workload, &probes),
        ];
        patch.prepend("/spec/initContainers", spec.init_containers.is_some(), &containers);
        probes.rewrite(&mut patch, containers.len());
    }
    if around.gated {
        patch.gate(spec);
    }
    Ok(Injection::Patch(Patched { patch: patch.finish(), warnings: probes.warnings(around) }))
}

/// A pod that another webhook changed after us: only probes that are new need anything.
fn again(patch: &mut Builder, spec: &PodSpec, probes: &Probes) {
    if let Some((index, proxy)) = eligible::proxy_of(spec)
        && !probes.is_empty()
    {
        patch.value(
            &format!("/spec/initContainers/{index}/env"),
            &sidecar::with_more_probes(proxy, probes),
        );
        probes.rewrite(patch, 0);
    }
}

/// Labels and annotations by which a meshed pod is known, and Istio's canonical names for
/// dashboards.
fn metadata(patch: &mut Builder, pod: &Pod, config: &WebhookConfig, workload: &Workload) {
    let mut labels = vec![(names::MESHED, "true")];
    for (name, value) in [
        ("service.istio.io/canonical-name", &workload.canonical_name),
        ("service.istio.io/canonical-revision", &workload.canonical_revision),
    ] {
        if value.len() <= LONGEST_LABEL {
            labels.push((name, value));
        }
    }
    patch.entries("/metadata/labels", pod.metadata.labels.as_ref(), &labels);

    let annotations = pod.metadata.annotations.as_ref();
    let mut added = vec![(names::INJECTED, config.version.as_str())];
    let mut given = annotations.into_iter().flatten();
    if !given.any(|(name, _)| name.starts_with("prometheus.io/")) {
        added.extend([
            ("prometheus.io/scrape", "true"),
            ("prometheus.io/port", "15020"),
            ("prometheus.io/path", "/metrics"),
        ]);
    }
    patch.entries("/metadata/annotations", annotations, &added);
}

/// The longest value that a label may have; names of workloads may be longer.
const LONGEST_LABEL: usize = 63;
