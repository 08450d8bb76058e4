//! Reviews: what is answered, and what is no review.

use serde_json::{Value, json};

use super::*;

fn review(pod: &Value) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "", "namespace": "shop", "operation": "CREATE", "userInfo": {},
            "object": pod, "oldObject": null, "dryRun": false,
        },
    })
    .to_string()
    .into_bytes()
}

fn check(pod: &Value) -> (Value, Outcome) {
    let request = read::<Pod>(&review(pod)).unwrap();
    let about = |_: &Pod, namespace: &str| Circumstances {
        namespace: namespace.to_owned(),
        ..Circumstances::default()
    };
    let (answer, outcome) = answer(&request, &WebhookConfig::default(), about);
    (serde_json::to_value(answer).unwrap(), outcome)
}

fn pod(uid: i64) -> Value {
    let container = json!({ "name": "app", "securityContext": { "runAsUser": uid } });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
        "spec": { "containers": [container] },
    })
}

#[test]
fn a_pod_is_allowed_with_a_patch() {
    let (answer, outcome) = check(&pod(1000));
    assert_eq!(outcome, Outcome::Injected);
    assert_eq!(answer["response"]["uid"], "705ab4f5");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
}

#[test]
fn a_refusal_is_a_sentence_that_names_the_container() {
    let (answer, outcome) = check(&pod(1337));
    assert_eq!(outcome, Outcome::Refused);
    assert_eq!(answer["response"]["allowed"], false);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("\"app\"") && message.contains("1337"), "{message}");
}

#[test]
fn what_is_no_review_is_an_error_and_no_panic() {
    let wrong: [&[u8]; 6] = [
        b"",
        b"garbage",
        b"{}",
        b"[]",
        br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
        br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{}}"#,
    ];
    for body in wrong {
        assert!(read::<Pod>(body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}
