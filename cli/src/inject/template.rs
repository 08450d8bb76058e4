//! Finds the pod in an object that makes pods.

use serde_json::{Value, json};

/// A pod inside an object.
pub(crate) struct Found {
    /// Where it is, as a JSON Pointer.
    pub(crate) pointer: String,
    /// The pod, named after its workload as its controller would name it.
    pub(crate) pod: Value,
}

/// The pod in `object`, if it makes pods.
pub(crate) fn find(object: &Value) -> Option<Found> {
    let kind = object.get("kind")?.as_str()?;
    let pointer = match kind {
        "Pod" => "",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    let mut pod = object.pointer(pointer)?.clone();
    if kind != "Pod" {
        own(&mut pod, kind, object.pointer("/metadata/name").and_then(Value::as_str)?);
    }
    Some(Found { pointer: pointer.to_owned(), pod })
}

/// Gives a template the owner that its pods will have, which is where their workload's name comes
/// from.
fn own(pod: &mut Value, kind: &str, name: &str) {
    let owner =
        json!([{ "apiVersion": "v1", "kind": kind, "name": name, "uid": "", "controller": true }]);
    give_metadata(pod);
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("ownerReferences".to_owned(), owner);
    }
}

/// A template may do without metadata; a pod never does.
pub(crate) fn give_metadata(pod: &mut Value) {
    if let Some(pod) = pod.as_object_mut() {
        pod.entry("metadata").or_insert_with(|| json!({}));
    }
}

/// `Kind namespace/name`, for messages.
pub(crate) fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    namespace(object).map_or_else(|| format!("{kind} {name}"), |ns| format!("{kind} {ns}/{name}"))
}

/// The object's namespace, if it names one.
pub(crate) fn namespace(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace")?.as_str()
}
