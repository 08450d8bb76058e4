//! Deployments and their ReplicaSets: what is wanted, which revision that is, and how pods are
//! replaced.

use std::collections::BTreeMap;

use api::names;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use model::{moment::Moment, revision::Revision, trust::Fingerprint};

use super::pod::{controller, moment};

/// What is kept of a Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeploymentFacts {
    pub(crate) uid: String,
    pub(crate) leaving: bool,
    pub(crate) replicas: u32,
    pub(crate) strategy: StrategyFacts,
    pub(crate) progress_deadline_seconds: Option<i32>,
    /// The labels that its pods get.
    pub(crate) pod_labels: BTreeMap<String, String>,
    pub(crate) template: TemplateFacts,
    pub(crate) generation: i64,
    pub(crate) observed_generation: i64,
    pub(crate) ready: u32,
    pub(crate) updated: u32,
}

/// How a Deployment replaces pods, with percentages resolved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StrategyFacts {
    Recreate,
    RollingUpdate { max_surge: u32, max_unavailable: u32 },
}

/// What is kept of a ReplicaSet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaSetFacts {
    /// The uid of its Deployment.
    pub(crate) owner: String,
    pub(crate) uid: String,
    pub(crate) revision: Revision,
    pub(crate) created: Moment,
    /// Rises with every template that the Deployment adopts.
    pub(crate) ordinal: u64,
    pub(crate) wanted: u32,
    pub(crate) template: TemplateFacts,
    /// Why pods cannot be made, if they cannot.
    pub(crate) failure: Option<String>,
}

/// A pod template, to be compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TemplateFacts {
    /// Everything but the label that the Deployment controller adds.
    pub(crate) whole: Fingerprint,
    /// The same without the time of a restart by `kubectl rollout restart`.
    pub(crate) but_restart: Fingerprint,
}

pub(super) fn keep(deployment: &Deployment) -> Option<DeploymentFacts> {
    let (meta, spec) = (&deployment.metadata, deployment.spec.as_ref()?);
    let status = deployment.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
    let replicas = count(spec.replicas.or(Some(1)));
    let pod_meta = spec.template.metadata.clone().unwrap_or_default();
    Some(DeploymentFacts {
        uid: meta.uid.clone()?,
        leaving: meta.deletion_timestamp.is_some(),
        replicas,
        strategy: strategy(deployment, replicas),
        progress_deadline_seconds: spec.progress_deadline_seconds,
        pod_labels: pod_meta.labels.unwrap_or_default(),
        template: TemplateFacts::of(&spec.template),
        generation: meta.generation.unwrap_or(0),
        observed_generation: status.observed_generation.unwrap_or(0),
        ready: count(status.ready_replicas),
        updated: count(status.updated_replicas),
    })
}

pub(super) fn keep_set(set: &ReplicaSet) -> Option<ReplicaSetFacts> {
    let (meta, spec) = (&set.metadata, set.spec.as_ref()?);
    let owner = meta.owner_references.iter().flatten().find_map(controller)?;
    let revision = meta.labels.as_ref()?.get(names::POD_TEMPLATE_HASH)?;
    let ordinal = meta.annotations.as_ref().and_then(|all| all.get(ORDINAL));
    let conditions = set.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut failures = conditions.filter(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    Some(ReplicaSetFacts {
        owner: owner.uid,
        uid: meta.uid.clone()?,
        revision: Revision::new(revision.as_str()).ok()?,
        created: meta.creation_timestamp.as_ref().map_or(Moment::ZERO, moment),
        ordinal: ordinal.and_then(|text| text.parse().ok()).unwrap_or(0),
        wanted: u32::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0),
        template: TemplateFacts::of(spec.template.as_ref()?),
        failure: failures.next().map(|c| c.message.clone().unwrap_or_default()),
    })
}

impl TemplateFacts {
    fn of(template: &PodTemplateSpec) -> Self {
        let mut template = template.clone();
        let meta = template.metadata.get_or_insert_default();
        meta.labels.iter_mut().for_each(|labels| drop(labels.remove(names::POD_TEMPLATE_HASH)));
        let whole = hash(&template);
        let meta = template.metadata.get_or_insert_default();
        if let Some(annotations) = &mut meta.annotations {
            annotations.remove(RESTARTED_AT);
        }
        meta.annotations = meta.annotations.take().filter(|all| !all.is_empty());
        Self { whole, but_restart: hash(&template) }
    }
}

/// Fields come in one order, so equal templates have equal texts.
fn hash(template: &PodTemplateSpec) -> Fingerprint {
    Fingerprint::of(&serde_json::to_vec(template).unwrap_or_default())
}

fn strategy(deployment: &Deployment, replicas: u32) -> StrategyFacts {
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    let rolling = match strategy {
        Some(strategy) if strategy.type_.as_deref() == Some("Recreate") => {
            return StrategyFacts::Recreate;
        }
        Some(strategy) => strategy.rolling_update.as_ref(),
        None => None,
    };
    let quarter = IntOrString::String("25%".to_owned());
    let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
    let missing = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
    let max_surge = resolve(surge, replicas, u32::div_ceil);
    let max_unavailable = resolve(missing, replicas, |whole, part| whole / part);
    // As the Deployment controller does it: both zero would never end.
    let max_unavailable = if max_surge == 0 { max_unavailable.max(1) } else { max_unavailable };
    StrategyFacts::RollingUpdate { max_surge, max_unavailable }
}

fn resolve(amount: &IntOrString, replicas: u32, divide: fn(u32, u32) -> u32) -> u32 {
    match amount {
        IntOrString::Int(number) => u32::try_from(*number).unwrap_or(0),
        IntOrString::String(text) => {
            let percent: u32 = text.trim_end_matches('%').parse().unwrap_or(0);
            divide(replicas.saturating_mul(percent), 100)
        }
    }
}

/// A template that equals others of the same name only.
#[cfg(test)]
pub(crate) fn template(name: &str) -> TemplateFacts {
    let whole = Fingerprint::of(name.as_bytes());
    TemplateFacts { whole, but_restart: whole }
}

const ORDINAL: &str = "deployment.kubernetes.io/revision";
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

#[cfg(test)]
mod tests;
