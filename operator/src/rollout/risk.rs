//! What a person should know before a release, because a gate will make it so: conditions that
//! warn. Pure.

use std::{sync::Arc, time::Duration};

use api::names;
use cluster::watch::ObjectName;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    observe::{Sight, Subject},
    plan,
};
use crate::world::{BudgetFacts, PodFacts, StrategyFacts};

/// A warning, as a condition that is there while it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Risk {
    /// The condition's type.
    pub(super) type_: &'static str,
    /// Why, in one word.
    pub(super) reason: &'static str,
    /// What will happen, and what to do about it.
    pub(super) message: String,
}

/// All that can be foreseen.
pub(super) fn foresee(sight: &Sight<'_>, subject: &Subject<'_>) -> Vec<Risk> {
    let found = [
        capacity(subject),
        autoscaler(sight, subject),
        budget(sight, subject),
        deadline(sight, subject),
        no_service(sight, subject),
        shared(sight, subject),
        unready(sight, subject),
        unmeshed(subject),
        stuck(sight, subject),
    ];
    found.into_iter().flatten().collect()
}

/// The pods that Kubernetes takes away at once when a release begins stay away for as long as it is
/// held.
fn capacity(subject: &Subject<'_>) -> Option<Risk> {
    let StrategyFacts::RollingUpdate { max_unavailable, .. } = subject.deployment.strategy else {
        return None;
    };
    let replicas = subject.deployment.replicas;
    (max_unavailable > 0 && replicas > 0).then(|| Risk {
        type_: "CapacityAtRisk",
        reason: "MaxUnavailable",
        message: format!(
            "while a release is on trial, {} of {replicas} stable pods serve: Kubernetes takes away \
             {max_unavailable} before the new ones run. Set maxUnavailable: 0 to keep them all",
            replicas.saturating_sub(max_unavailable)
        ),
    })
}

/// A CPU autoscaler counts pods on trial as idle ones.
fn autoscaler(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let mut all = sight.world.autoscalers.in_namespace(&sight.id.namespace);
    let target = &sight.rollout.spec.target_ref.name;
    let (name, _) = all
        .find(|(_, scaler)| scaler.target_kind == "Deployment" && scaler.target_name == *target)?;
    let StrategyFacts::RollingUpdate { max_surge, max_unavailable } = subject.deployment.strategy
    else {
        return None;
    };
    let stable = subject.deployment.replicas.saturating_sub(max_unavailable).max(1);
    let gated = max_surge + max_unavailable;
    let percent = 100 * (stable + gated) / stable;
    Some(Risk {
        type_: "AutoscalerAffected",
        reason: "CountsGatedPods",
        message: format!(
            "HorizontalPodAutoscaler {} counts pods on trial as idle: with {stable} stable and {gated} of \
             them it scales up only above {percent} % of what it otherwise would",
            name.name
        ),
    })
}

/// A budget counts pods on trial as unhealthy ones.
fn budget(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let StrategyFacts::RollingUpdate { max_surge, max_unavailable } = subject.deployment.strategy
    else {
        return None;
    };
    let replicas = subject.deployment.replicas;
    let stable = replicas.saturating_sub(max_unavailable);
    let expected = stable + max_surge + max_unavailable;
    let mut all = sight.world.budgets.in_namespace(&sight.id.namespace);
    let (name, _) = all.find(|(_, budget)| {
        budget.selector.selects(&subject.deployment.pod_labels)
            && needed(budget, replicas.max(expected)).is_some_and(|needed| stable <= needed)
    })?;
    (replicas > 0).then(|| Risk {
        type_: "EvictionsBlocked",
        reason: "CountsGatedPods",
        message: format!(
            "while a release is on trial, PodDisruptionBudget {} allows no eviction: it counts pods on trial \
             as unhealthy, and {stable} stable ones are all it asks for. Node drains wait until the release ends",
            name.name
        ),
    })
}

/// How many pods must be healthy.
fn needed(budget: &BudgetFacts, expected: u32) -> Option<u32> {
    let up = |amount: &IntOrString| match amount {
        IntOrString::Int(number) => u32::try_from(*number).unwrap_or(0),
        IntOrString::String(text) => {
            let percent: u32 = text.trim_end_matches('%').parse().unwrap_or(0);
            expected.saturating_mul(percent).div_ceil(100)
        }
    };
    let least = budget.min_available.as_ref().map(up);
    least.or_else(|| Some(expected.saturating_sub(up(budget.max_unavailable.as_ref()?))))
}

/// Kubernetes says that a Deployment makes no progress while its release is held for longer than
/// this.
fn deadline(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let seconds = subject.deployment.progress_deadline_seconds.unwrap_or(600);
    let plan = plan::shortest(&sight.rollout.spec).as_secs();
    let short = u64::try_from(seconds).unwrap_or(0) <= plan;
    short.then(|| Risk {
        type_: "ProgressDeadlineTooShort",
        reason: "StepsTakeLonger",
        message: format!(
            "the steps take {plan} s at least, and the Deployment's progressDeadlineSeconds is {seconds}: \
             `kubectl rollout status`, Argo CD, Flux and `helm --wait` will call a good release failed. Set it \
             to {} or more",
            plan.saturating_mul(2).max(600)
        ),
    })
}

/// Without a service there is no traffic to divide or to judge by.
fn no_service(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let there = |name: &Arc<str>| {
        sight.world.services.get(&ObjectName::new(&sight.id.namespace, name)).is_some()
    };
    let missing: Vec<&str> =
        subject.services.iter().filter(|name| !there(name)).map(|name| &**name).collect();
    if !missing.is_empty() {
        let message = format!("spec.services: there is no service {}", missing.join(", "));
        return Some(Risk { type_: "NoTraffic", reason: "ServiceNotFound", message });
    }
    // Where there is no selector, somebody else says which pods are behind it.
    let strays = |name: &Arc<str>| {
        let found = sight.world.services.get(&ObjectName::new(&sight.id.namespace, name));
        found.is_some_and(|service| !service.selector.is_empty() && !subject.is_met(service))
    };
    let astray: Vec<&str> =
        subject.services.iter().filter(|name| strays(name)).map(|name| &**name).collect();
    if !astray.is_empty() {
        let message = format!(
            "spec.services: the selector of {} matches no pod of the target, so no request to it is divided or \
             judged by. Give it the labels of the pods, or leave it out",
            astray.join(", ")
        );
        return Some(Risk { type_: "NoTraffic", reason: "SelectsNoPod", message });
    }
    subject.services.is_empty().then(|| Risk {
        type_: "NoTraffic",
        reason: "NoService",
        message:
            "no service leads to the target's pods, so there are no requests to judge a release by"
                .to_owned(),
    })
}

/// What a service's callers get cannot be told apart by revision where other workloads answer, too.
fn shared(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let (service, pod) = sight.shared(subject)?;
    Some(Risk {
        type_: "ServiceShared",
        reason: "SelectsOtherPods",
        message: format!(
            "service {service} also leads to pod {pod}, which is not of the target: no release is begun, and \
             one that is kept out gets no more traffic. Let the selector match the target's pods alone, or \
             name in spec.services only services that do"
        ),
    })
}

/// Some callers are sent to pods that are not ready, by other ways than the mesh's.
fn unready(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let facts = subject.services.iter().filter_map(|name| {
        let found = sight.world.services.get(&ObjectName::new(&sight.id.namespace, name));
        found.map(|service| (name, service))
    });
    let publishes = facts.clone().find(|(_, service)| service.publishes_unready);
    if let Some((name, _)) = publishes {
        return Some(Risk {
            type_: "GateBypassed",
            reason: "PublishNotReadyAddresses",
            message: format!(
                "service {name} has publishNotReadyAddresses: callers without a proxy reach pods on trial"
            ),
        });
    }
    let mut balanced = facts.filter(|(_, service)| service.load_balancer);
    balanced.next().map(|(name, _)| Risk {
        type_: "GateBypassed",
        reason: "LoadBalancer",
        message: format!(
            "service {name} is of type LoadBalancer: one that sends to pod addresses itself (AWS with IP \
             targets, GKE's NEGs) may reach pods on trial"
        ),
    })
}

/// Callers find pods on trial by their proxies only.
fn unmeshed(subject: &Subject<'_>) -> Option<Risk> {
    let bare = subject.pods.iter().filter(|(_, pod)| !pod.meshed && !pod.leaving()).count();
    (bare > 0).then(|| Risk {
        type_: "TargetNotMeshed",
        reason: "NoProxy",
        message: format!(
            "{bare} of the target's pods have no proxy: label the namespace {}={} and restart them",
            names::INJECTION,
            names::ENABLED
        ),
    })
}

/// Pods that cannot come to be: the release waits for them, and nothing else would say why.
fn stuck(sight: &Sight<'_>, subject: &Subject<'_>) -> Option<Risk> {
    let refused = subject.sets.iter().find_map(|set| Some((set, set.failure.as_ref()?)));
    if let Some((set, why)) = refused {
        let message = format!("pods of {} cannot be made: {why}", set.revision);
        return Some(Risk { type_: "PodsMissing", reason: "CreationRefused", message });
    }
    let long = |pod: &PodFacts| sight.now.since(pod.created) >= PATIENCE;
    let mut waiting = subject.pods.iter().filter(|(_, pod)| !pod.leaving() && long(pod));
    waiting.find_map(|(name, pod)| {
        let message = format!("pod {name} cannot be scheduled: {}", pod.unschedulable.as_ref()?);
        Some(Risk { type_: "PodsMissing", reason: "Unschedulable", message })
    })
}

/// How long a pod may wait for a node before that is told.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
