//! Disruption budgets: a drain takes one replica at a time. A single replica gets none, or no node
//! with it could ever be drained.

use api::names;
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::label::{local, selected};
use crate::mesh::valid::Valid;

pub(super) fn all(valid: &Valid) -> Vec<PodDisruptionBudget> {
    let replicas = [
        (names::CONTROL, valid.spec.control_plane.replicas),
        (names::WEBHOOK, valid.spec.injection.replicas),
    ];
    replicas.into_iter().filter(|(_, n)| *n > 1).map(|(name, _)| budget(valid, name)).collect()
}

/// The budget called `name`, whether it is wanted or not: what is to be deleted has a name as well.
pub(crate) fn budget(valid: &Valid, name: &str) -> PodDisruptionBudget {
    let selector = LabelSelector { match_labels: Some(selected(name)), match_expressions: None };
    let spec = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(selector),
        ..PodDisruptionBudgetSpec::default()
    };
    PodDisruptionBudget { metadata: local(valid, name), spec: Some(spec), status: None }
}
