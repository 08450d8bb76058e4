//! Builds a JSON Patch (RFC 6902) of `add` operations, in an order in which each path exists when
//! it is used.

use std::collections::BTreeMap;

use api::names;
use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A patch under construction.
#[derive(Debug, Default)]
pub(super) struct Builder(Vec<PatchOperation>);

impl Builder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds `value` at `path`, replacing what is there.
    pub(super) fn value(&mut self, path: &str, value: &impl Serialize) {
        // Both come from this crate: paths are literals with indices, and API types have a JSON
        // form.
        if let (Ok(path), Ok(value)) = (PointerBuf::parse(path), serde_json::to_value(value)) {
            self.0.push(PatchOperation::Add(AddOperation { path, value }));
        }
    }

    /// Adds `items` at the front of a list.
    pub(super) fn prepend(&mut self, path: &str, exists: bool, items: &[impl Serialize]) {
        if exists {
            for (index, item) in items.iter().enumerate() {
                self.value(&format!("{path}/{index}"), item);
            }
        } else {
            self.value(path, &items);
        }
    }

    /// Adds `items` at the end of a list.
    pub(super) fn append(&mut self, path: &str, exists: bool, items: &[impl Serialize]) {
        if exists {
            for item in items {
                self.value(&format!("{path}/-"), item);
            }
        } else {
            self.value(path, &items);
        }
    }

    /// Adds those entries to a map that it does not hold yet.
    pub(super) fn entries(
        &mut self,
        path: &str,
        map: Option<&BTreeMap<String, String>>,
        entries: &[(&str, &str)],
    ) {
        let Some(map) = map else {
            let all: Map<String, Value> =
                entries.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            return self.value(path, &all);
        };
        for (name, value) in entries.iter().filter(|(name, _)| !map.contains_key(*name)) {
            self.value(&format!("{path}/{}", escape(name)), value);
        }
    }

    /// Adds the readiness gate, once.
    pub(super) fn gate(&mut self, spec: &PodSpec) {
        let gates = spec.readiness_gates.as_ref();
        let has = |gates: &Vec<k8s_openapi::api::core::v1::PodReadinessGate>| {
            gates.iter().any(|gate| gate.condition_type == names::PROMOTED_GATE)
        };
        if !gates.is_some_and(has) {
            let gate = json!({ "conditionType": names::PROMOTED_GATE });
            self.append("/spec/readinessGates", gates.is_some(), &[gate]);
        }
    }

    pub(super) fn finish(self) -> Patch {
        Patch(self.0)
    }
}

/// A map's key inside a JSON Pointer (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
