//! Services, disruption budgets and autoscalers: what else looks at a workload's pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        autoscaling::v2::HorizontalPodAutoscaler, core::v1::Service,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

/// What is kept of a Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceFacts {
    /// Empty: it selects no pods.
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) publishes_unready: bool,
    /// Whether it is for callers outside of the cluster.
    pub(crate) load_balancer: bool,
}

/// What is kept of a PodDisruptionBudget.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BudgetFacts {
    pub(crate) selector: SelectorFacts,
    /// How many pods may be missing, if that is what it says, or how many must be there.
    pub(crate) min_available: Option<IntOrString>,
    pub(crate) max_unavailable: Option<IntOrString>,
}

/// What is kept of a HorizontalPodAutoscaler.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AutoscalerFacts {
    pub(crate) target_kind: String,
    pub(crate) target_name: String,
}

/// A label selector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SelectorFacts {
    labels: BTreeMap<String, String>,
    expressions: Vec<(String, String, Vec<String>)>,
}

impl ServiceFacts {
    /// Whether it leads to pods with these labels.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty() && self.selector.iter().all(|(k, v)| labels.get(k) == Some(v))
    }
}

impl SelectorFacts {
    /// Whether pods with these labels are meant.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let meant = |(key, operator, values): &(String, String, Vec<String>)| {
            let held = labels.get(key);
            match operator.as_str() {
                "In" => held.is_some_and(|held| values.contains(held)),
                "NotIn" => held.is_none_or(|held| !values.contains(held)),
                "Exists" => held.is_some(),
                "DoesNotExist" => held.is_none(),
                _ => false,
            }
        };
        self.labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(meant)
    }
}

pub(super) fn keep(service: &Service) -> Option<ServiceFacts> {
    let spec = service.spec.as_ref()?;
    Some(ServiceFacts {
        selector: spec.selector.clone().unwrap_or_default(),
        publishes_unready: spec.publish_not_ready_addresses.unwrap_or(false),
        load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
    })
}

pub(super) fn keep_budget(budget: &PodDisruptionBudget) -> Option<BudgetFacts> {
    let spec = budget.spec.as_ref()?;
    Some(BudgetFacts {
        selector: selector(spec.selector.as_ref()?),
        min_available: spec.min_available.clone(),
        max_unavailable: spec.max_unavailable.clone(),
    })
}

pub(super) fn keep_autoscaler(scaler: &HorizontalPodAutoscaler) -> Option<AutoscalerFacts> {
    let target = &scaler.spec.as_ref()?.scale_target_ref;
    Some(AutoscalerFacts { target_kind: target.kind.clone(), target_name: target.name.clone() })
}

fn selector(selector: &LabelSelector) -> SelectorFacts {
    let expressions = selector.match_expressions.iter().flatten();
    let expressions = expressions
        .map(|e| (e.key.clone(), e.operator.clone(), e.values.clone().unwrap_or_default()));
    SelectorFacts {
        labels: selector.match_labels.clone().unwrap_or_default(),
        expressions: expressions.collect(),
    }
}
