use serde_json::json;

use super::*;

fn check(
    surge: &serde_json::Value,
    unavailable: &serde_json::Value,
    replicas: u32,
    resolved: (u32, u32),
) {
    let deployment = json!({
        "metadata": { "name": "a", "uid": "u" },
        "spec": { "replicas": replicas, "selector": {}, "template": { "spec": { "containers": [] } },
            "strategy": { "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } } },
    });
    let kept = keep(&serde_json::from_value(deployment).unwrap()).unwrap();
    let (max_surge, max_unavailable) = resolved;
    assert_eq!(kept.strategy, StrategyFacts::RollingUpdate { max_surge, max_unavailable });
}

#[test]
fn percentages_are_rounded_as_kubernetes_does() {
    check(&json!("25%"), &json!("25%"), 10, (3, 2));
    check(&json!("25%"), &json!("25%"), 1, (1, 0));
    check(&json!(1), &json!(0), 3, (1, 0));
    check(&json!("100%"), &json!(0), 4, (4, 0));
    check(&json!(0), &json!("25%"), 1, (0, 1));
}

#[test]
fn a_restart_differs_in_the_whole_and_not_in_the_rest() {
    let template = |hash: Option<&str>, restarted: Option<&str>| -> TemplateFacts {
        let hash = hash.map(|hash| ("pod-template-hash", hash));
        let labels: BTreeMap<_, _> = hash.into_iter().chain([("app", "a")]).collect();
        let annotations = restarted.map(|at| json!({ "kubectl.kubernetes.io/restartedAt": at }));
        let template = json!({ "metadata": { "labels": labels, "annotations": annotations },
            "spec": { "containers": [] } });
        TemplateFacts::of(&serde_json::from_value(template).unwrap())
    };
    let (plain, again) = (template(None, None), template(None, Some("now")));
    assert_eq!(plain, template(Some("abc"), None));
    assert_ne!(plain.whole, again.whole);
    assert_eq!(plain.but_restart, again.but_restart);
}
