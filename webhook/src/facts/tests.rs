//! Which pods a rollout holds back.

use serde_json::json;

use super::*;

fn pod(owner: &str, revision: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "labels": { "pod-template-hash": revision },
            "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "1", "controller": true },
            ],
        },
    }))
    .unwrap()
}

fn rollout(target: &str, trusted: &[&str]) -> Arc<CanaryRollout> {
    serde_json::from_value(json!({
        "metadata": { "name": target, "namespace": "shop" },
        "spec": { "targetRef": { "name": target } },
        "status": { "trustedRevisions": trusted },
    }))
    .map(Arc::new)
    .unwrap()
}

fn check(owner: &str, revision: &str, rollouts: &[Arc<CanaryRollout>], expect: bool) {
    assert_eq!(is_gated(&pod(owner, revision), rollouts), expect, "{owner} {revision}");
}

#[test]
fn a_revision_that_is_not_trusted_is_gated() {
    let rollouts = [rollout("cart", &["aaa", "bbb"])];
    check("cart-ccc", "ccc", &rollouts, true);
    check("cart-aaa", "aaa", &rollouts, false);
    check("cart-bbb", "bbb", &rollouts, false);
}

#[test]
fn nothing_is_gated_while_nothing_is_trusted() {
    check("cart-ccc", "ccc", &[rollout("cart", &[])], false);
    check("cart-ccc", "ccc", &[], false);
}

#[test]
fn other_workloads_are_not_touched() {
    let rollouts = [rollout("cart", &["aaa"])];
    check("cart-db-ccc", "ccc", &rollouts, false);
    check("kart-ccc", "ccc", &rollouts, false);
    assert!(!is_gated(&Pod::default(), &rollouts));
}
