use serde_json::json;

use super::*;

fn kept(spec: &serde_json::Value, status: &serde_json::Value) -> PodFacts {
    let pod = json!({
        "metadata": { "name": "a", "namespace": "b", "uid": "u",
            "labels": { "pod-template-hash": "abc" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a-abc",
                "uid": "r", "controller": true }] },
        "spec": spec,
        "status": status,
    });
    keep(&serde_json::from_value(pod).unwrap()).unwrap()
}

#[test]
fn a_gate_is_shut_until_its_condition_is_true() {
    let gated =
        json!({ "containers": [], "readinessGates": [{ "conditionType": "serin.dev/promoted" }] });
    let status =
        |value: &str| json!({ "conditions": [{ "type": "serin.dev/promoted", "status": value }] });
    assert_eq!(kept(&gated, &json!({})).gate, Gate::Shut);
    assert_eq!(kept(&gated, &status("False")).gate, Gate::Shut);
    assert_eq!(kept(&gated, &status("True")).gate, Gate::Open);
    assert_eq!(kept(&json!({ "containers": [] }), &status("True")).gate, Gate::None);
}

#[test]
fn a_container_that_waits_to_be_started_again_has_crashed_once_more_than_it_was_restarted() {
    let status = |state: &serde_json::Value, restarts: i32| {
        let container = json!({ "name": "app", "image": "", "imageID": "", "ready": false,
            "restartCount": restarts, "state": state });
        json!({ "containerStatuses": [container] })
    };
    let crashes = |status| kept(&json!({ "containers": [] }), &status).crashes;
    assert_eq!(crashes(status(&json!({ "running": {} }), 0)), 0);
    assert_eq!(crashes(status(&json!({ "terminated": { "exitCode": 1 } }), 0)), 1);
    assert_eq!(crashes(status(&json!({ "running": {} }), 1)), 1);
    assert_eq!(crashes(status(&json!({ "waiting": { "reason": "CrashLoopBackOff" } }), 1)), 2);
    assert_eq!(crashes(status(&json!({ "waiting": { "reason": "ContainerCreating" } }), 0)), 0);
}

#[test]
fn a_pod_is_meshed_by_its_spec_and_its_proxy_lives_by_its_status() {
    let spec = json!({ "containers": [], "initContainers": [{ "name": "serin-proxy" }] });
    let proxy = |state: &serde_json::Value| {
        json!({ "initContainerStatuses": [{ "name": "serin-proxy", "image": "", "imageID": "",
            "ready": true, "restartCount": 0, "state": state }] })
    };
    let running = kept(&spec, &proxy(&json!({ "running": {} })));
    assert!(running.meshed && running.proxy_running);
    let ended = kept(&spec, &proxy(&json!({ "terminated": { "exitCode": 0 } })));
    assert!(ended.meshed && !ended.proxy_running);
    assert!(!kept(&spec, &json!({})).proxy_running);
}

#[test]
fn owner_and_revision_are_those_of_the_controller() {
    let facts = kept(&json!({ "containers": [] }), &json!({}));
    assert_eq!(facts.owner.map(|owner| owner.uid).as_deref(), Some("r"));
    assert_eq!(facts.revision.as_ref().map(Revision::as_str), Some("abc"));
}
