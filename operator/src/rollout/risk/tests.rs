use cluster::watch::Change;

use super::*;
use crate::{
    rollout::observe::tests::Small,
    world::{AutoscalerFacts, DeploymentFacts, SelectorFacts},
};

fn check(small: &Small, expected: &[&str]) {
    let risks = small.look(|sight| foresee(sight, &sight.subject().unwrap()));
    let found: Vec<_> = risks.iter().map(|risk| risk.type_).collect();
    assert_eq!(found, expected, "{risks:?}");
}

fn with(change: impl Fn(&mut DeploymentFacts)) -> Small {
    let mut small = Small::new();
    small.deployment("v1", change);
    small
}

#[tokio::test]
async fn a_deployment_as_it_should_be_has_no_risks() {
    check(&Small::new(), &[]);
}

#[tokio::test]
async fn capacity_that_goes_before_canary_pods_run_is_told() {
    let strategy = StrategyFacts::RollingUpdate { max_surge: 1, max_unavailable: 1 };
    check(&with(|facts| facts.strategy = strategy), &["CapacityAtRisk"]);
}

#[tokio::test]
async fn a_deadline_shorter_than_the_steps_is_told() {
    check(&with(|facts| facts.progress_deadline_seconds = Some(60)), &["ProgressDeadlineTooShort"]);
}

#[tokio::test]
async fn an_autoscaler_that_will_see_idle_pods_is_told() {
    let mut small = Small::new();
    let facts = AutoscalerFacts { target_kind: "Deployment".into(), target_name: "cart".into() };
    small.world.autoscalers.apply(Change::Applied(ObjectName::new("shop", "h"), facts));
    check(&small, &["AutoscalerAffected"]);
}

#[tokio::test]
async fn a_budget_that_will_allow_no_eviction_is_told() {
    let budget = |min_available| {
        let mut small = Small::new();
        let facts = BudgetFacts {
            selector: SelectorFacts::default(),
            min_available: Some(IntOrString::Int(min_available)),
            max_unavailable: None,
        };
        small.world.budgets.apply(Change::Applied(ObjectName::new("shop", "b"), facts));
        small
    };
    check(&budget(3), &["EvictionsBlocked"]);
    check(&budget(2), &[]);
}

#[tokio::test]
async fn a_target_that_no_service_leads_to_is_told() {
    let mut small = Small::new();
    small.service("cart", &[("app", "other")]);
    check(&small, &["NoTraffic"]);
}

#[tokio::test]
async fn a_service_that_also_leads_elsewhere_is_named_with_the_pod() {
    let mut small = Small::new();
    small.stranger();
    check(&small, &["ServiceShared"]);
    let risks = small.look(|sight| foresee(sight, &sight.subject().unwrap()));
    let message = risks.first().unwrap().message.as_str();
    assert!(message.starts_with("service cart also leads to pod shop/x, "), "{message}");
}

#[tokio::test]
async fn a_named_service_that_is_not_there_or_leads_elsewhere_is_told() {
    let reason = |selector: &[(&str, &str)], name: &str| {
        let mut small = Small::new();
        small.service("named", selector);
        small.rollout.spec.services = vec![api::canary::ServiceRef { name: name.to_owned() }];
        let risks = small.look(|sight| foresee(sight, &sight.subject().unwrap()));
        risks.first().map(|risk| (risk.type_, risk.reason))
    };
    assert_eq!(reason(&[("app", "cart")], "named"), None);
    assert_eq!(reason(&[("app", "cart")], "other"), Some(("NoTraffic", "ServiceNotFound")));
    assert_eq!(reason(&[("app", "carts")], "named"), Some(("NoTraffic", "SelectsNoPod")));
    assert_eq!(reason(&[], "named"), None, "slices written by hand may lead to the pods");
}

#[tokio::test]
async fn pods_without_a_proxy_are_told() {
    let mut small = Small::new();
    small.pod("a", "v1", |pod| pod.meshed = false);
    check(&small, &["TargetNotMeshed"]);
}

#[tokio::test]
async fn a_pod_that_finds_no_node_is_told_after_a_while() {
    let mut small = Small::new();
    small.pod("d", "v1", |pod| {
        pod.unschedulable = Some("0/2 nodes are available".to_owned());
        pod.created = model::moment::Moment::from_millis(985_001);
    });
    check(&small, &[]);
    small.pod("d", "v1", |pod| pod.unschedulable = Some("0/2 nodes are available".to_owned()));
    check(&small, &["PodsMissing"]);
}
