//! What holds for every pod, whatever it looks like.

use json_patch::PatchOperation;
use k8s_openapi::api::core::v1::Pod;
use webhook::inject::Injection;

use crate::shapes::all;

#[test]
fn patches_only_add() {
    for shape in all() {
        if let Ok(Injection::Patch(patched)) = shape.inject(&shape.pod) {
            let adds = |it: &PatchOperation| matches!(it, PatchOperation::Add(_));
            assert!(patched.patch.0.iter().all(adds), "{}", shape.file.display());
        }
    }
}

#[test]
fn a_second_call_changes_nothing() {
    for shape in all() {
        if let Some((once, _)) = shape.injected(&shape.pod) {
            let (twice, _) = shape.injected(&once).unwrap();
            assert_eq!(twice, once, "{}", shape.file.display());
        }
    }
}

#[test]
fn an_injected_pod_is_still_a_pod_and_keeps_all_it_had() {
    for shape in all() {
        let Some((after, _)) = shape.injected(&shape.pod) else { continue };
        let (before, after): (Pod, Pod) = (
            serde_json::from_value(shape.pod.clone()).unwrap(),
            serde_json::from_value(after).unwrap(),
        );
        let (before, after) = (before.spec.unwrap(), after.spec.unwrap());
        assert_eq!(before.containers.len(), after.containers.len());
        let names = |spec: &k8s_openapi::api::core::v1::PodSpec| -> Vec<String> {
            spec.init_containers.iter().flatten().map(|it| it.name.clone()).collect()
        };
        let (mut had, has) = (names(&before), names(&after));
        if !had.contains(&"serin-proxy".to_owned()) {
            had.splice(0..0, ["serin-redirect".to_owned(), "serin-proxy".to_owned()]);
        }
        assert_eq!(has, had, "{}", shape.file.display());
    }
}

#[test]
fn a_container_that_another_webhook_adds_later_gets_its_probes_rewritten() {
    for shape in all() {
        let Some((mut once, _)) = shape.injected(&shape.pod) else { continue };
        once["spec"]["containers"].as_array_mut().unwrap().push(serde_json::json!({
            "name": "latecomer",
            "image": "x",
            "securityContext": { "runAsUser": 1000 },
            "readinessProbe": { "httpGet": { "path": "/ok", "port": 9000 } },
        }));
        let (twice, _) = shape.injected(&once).unwrap();
        let text = twice.to_string();
        assert!(text.contains("/app/latecomer/readiness"), "{}", shape.file.display());
        assert!(text.contains(r#"\"path\":\"/ok\""#), "{}", shape.file.display());
    }
}
