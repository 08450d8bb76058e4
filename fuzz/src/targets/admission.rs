//! What the API server sends the webhook: a body is refused, or answered for the pod it holds, and
//! a patch applies to that pod and leaves a pod.

use api::webhook_config::WebhookConfig;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use webhook::{
    inject::Circumstances,
    review::{self, Outcome},
};

use super::{Target, committed};
use crate::engine::behaviour;

pub(crate) const TARGET: Target = Target {
    name: "admission",
    corpus: || committed("admission"),
    words: &[
        "\"containers\"",
        "\"initContainers\"",
        "\"annotations\"",
        "\"labels\"",
        "\"ports\"",
        "null",
        "[]",
        "{}",
        "\"\"",
        "-1",
        "0",
        "1337",
        "4294967296",
        "\"serin.dev/injection\"",
        "\"disabled\"",
        "\"hostNetwork\":true",
        "\"livenessProbe\"",
        "\"httpGet\"",
        "\"port\"",
        "\"name\"",
        ",",
        ":",
        "\"runAsUser\":1337",
        "\"volumes\"",
        "\"spec\"",
        "\"metadata\"",
        "\"exec\"",
        "\"grpc\"",
    ],
    run,
};

fn run(bytes: &[u8]) -> u64 {
    let request = match review::read::<Pod>(bytes) {
        Ok(request) => request,
        Err(error) => {
            let says: String =
                error.to_string().chars().filter(|c| c.is_ascii_alphabetic()).take(40).collect();
            return behaviour((0, says));
        }
    };
    let about = |_: &Pod, namespace: &str| Circumstances {
        namespace: namespace.to_owned(),
        gated: bytes.len().is_multiple_of(2),
        ..Circumstances::default()
    };
    let (answer, outcome) = review::answer(&request, &WebhookConfig::default(), about);
    let response = answer.response.as_ref().expect("a review is answered");
    assert_eq!(response.uid, request.uid, "somebody else's answer");
    assert_eq!(response.allowed, outcome != Outcome::Refused);
    let operations = match (&response.patch, &request.object) {
        (Some(patch), Some(pod)) => apply(patch, pod),
        (Some(_), None) => panic!("a patch for nothing"),
        (None, _) => 0,
    };
    let pod = request.object.and_then(|pod: Pod| pod.spec);
    let containers = pod.as_ref().map_or(0, |spec| spec.containers.len());
    let more = pod.and_then(|spec| spec.init_containers).map_or(0, |containers| containers.len());
    behaviour((1, outcome.label(), operations, containers.min(4), more.min(4)))
}

/// Says how many operations there are.
fn apply(patch: &[u8], pod: &Pod) -> usize {
    let patch: json_patch::Patch = serde_json::from_slice(patch).expect("a patch is JSON Patch");
    let mut patched: Value = serde_json::to_value(pod).expect("a pod is JSON");
    json_patch::patch(&mut patched, &patch).expect("a patch applies to its pod");
    serde_json::from_value::<Pod>(patched).expect("what was a pod is one");
    patch.len()
}
