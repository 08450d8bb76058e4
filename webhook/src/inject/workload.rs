//! What a pod is called in metrics: its workload, app, version and revision.

use api::names;
use k8s_openapi::api::core::v1::Pod;

/// Names of a pod's origin. Absent ones are empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Workload {
    /// The Deployment (not its ReplicaSet), StatefulSet, DaemonSet, Job or CronJob that made the
    /// pod.
    pub name: String,
    /// The label `app`, else `app.kubernetes.io/name`.
    pub app: String,
    /// The label `version`, else `app.kubernetes.io/version`.
    pub version: String,
    /// Istio's canonical service.
    pub canonical_name: String,
    /// Istio's canonical revision.
    pub canonical_revision: String,
    /// The pod-template-hash, or a StatefulSet's or DaemonSet's controller-revision-hash.
    pub revision: String,
}

impl Workload {
    /// The names of `pod`, made in `namespace`.
    #[must_use]
    pub fn of(pod: &Pod, namespace: &str) -> Self {
        let label = |name: &str| pod.metadata.labels.as_ref().and_then(|labels| labels.get(name));
        let first =
            |names: &[&str]| names.iter().find_map(|name| label(name)).cloned().unwrap_or_default();
        let name = owner(pod).unwrap_or_else(|| own_name(pod, namespace));
        let app = first(&["app", "app.kubernetes.io/name"]);
        let version = first(&["version", "app.kubernetes.io/version"]);
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let fallback = or(app.clone(), &name);
        let canonical_name = or(first(&["service.istio.io/canonical-name"]), &fallback);
        let canonical_revision =
            or(or(first(&["service.istio.io/canonical-revision"]), &version), "latest");
        let revision = first(&[names::POD_TEMPLATE_HASH, "controller-revision-hash"]);
        Self { name, app, version, canonical_name, canonical_revision, revision }
    }
}

/// The workload that owns the pod.
fn owner(pod: &Pod) -> Option<String> {
    let owners = pod.metadata.owner_references.iter().flatten();
    let owner = owners.into_iter().find(|owner| owner.controller == Some(true))?;
    let hash = pod.metadata.labels.as_ref().and_then(|labels| labels.get(names::POD_TEMPLATE_HASH));
    let of_deployment = hash
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    let of_cron_job = (owner.kind == "Job").then(|| scheduled(&owner.name)).flatten();
    Some(of_deployment.or(of_cron_job).unwrap_or(&owner.name).to_owned())
}

/// A CronJob names its Jobs `<name>-<minutes since 1970>`.
fn scheduled(job: &str) -> Option<&str> {
    let (name, minutes) = job.rsplit_once('-')?;
    let is_time = minutes.len() >= 8 && minutes.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then_some(name)
}

fn own_name(pod: &Pod, namespace: &str) -> String {
    let given = pod.metadata.name.as_deref();
    let generated = || pod.metadata.generate_name.as_deref().map(|name| name.trim_end_matches('-'));
    given.or_else(generated).unwrap_or(namespace).to_owned()
}
