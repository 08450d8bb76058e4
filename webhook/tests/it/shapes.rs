//! Reads the pods of `testdata/pods/`: each file holds circumstances and a pod.

use std::path::{Path, PathBuf};

use api::webhook_config::WebhookConfig;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::Value;
use webhook::inject::{Circumstances, Injection, Refused, inject};

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    #[serde(default)]
    around: Around,
    pub(crate) pod: Value,
    #[serde(skip)]
    pub(crate) file: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Around {
    pod_security: Option<String>,
    gated: bool,
    honour_istio_labels: bool,
}

/// Every shape, in order of file name.
pub(crate) fn all() -> Vec<Shape> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/pods");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.to_str().unwrap();
        name.ends_with(".yaml") && !name.ends_with(".injected.yaml")
    });
    files.sort();
    assert!(files.len() > 15, "the folder of pods is there");
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Shape {
    let text = std::fs::read_to_string(&file).unwrap();
    let shape: Shape =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Shape { file, ..shape }
}

impl Shape {
    /// What becomes of `pod` in this shape's circumstances.
    pub(crate) fn inject(&self, pod: &Value) -> Result<Injection, Refused> {
        let pod = typed(pod);
        let config = WebhookConfig {
            honour_istio_labels: self.around.honour_istio_labels,
            ..Default::default()
        };
        let around = Circumstances {
            namespace: "shop".to_owned(),
            pod_security: self.around.pod_security.clone(),
            gated: self.around.gated,
        };
        inject(&pod, &config, &around)
    }

    /// `pod` with its patch applied, and the warnings.
    pub(crate) fn injected(&self, pod: &Value) -> Option<(Value, Vec<String>)> {
        match self.inject(pod) {
            Ok(Injection::Patch(patched)) => {
                let mut pod = pod.clone();
                json_patch::patch(&mut pod, &patched.patch).unwrap();
                Some((pod, patched.warnings))
            }
            Ok(Injection::Leave(_)) | Err(_) => None,
        }
    }
}

fn typed(pod: &Value) -> Pod {
    serde_json::from_value(pod.clone()).unwrap()
}
