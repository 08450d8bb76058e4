//! Manifests in, manifests out.

use super::*;

fn check(manifest: &str) -> (Vec<Value>, Vec<String>, bool) {
    let config = WebhookConfig::default();
    let all = objects(manifest).unwrap().into_iter().map(|it| injected(it, "default", &config));
    let (mut seen, mut texts, mut refused) = (Vec::new(), Vec::new(), false);
    for (object, notes) in all {
        seen.push(object);
        refused |= notes.iter().any(|note| note.refused);
        texts.extend(notes.into_iter().map(|note| note.text));
    }
    (seen, texts, refused)
}

#[test]
fn templates_get_their_proxy_and_other_objects_stay() {
    let (objects, notes, refused) = check(
        "
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  template:
    metadata: { labels: { app: cart } }
    spec: { containers: [{ name: app, image: cart:1 }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart }
spec: { selector: { app: cart } }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: backup }
spec:
  jobTemplate:
    spec:
      template:
        spec: { containers: [{ name: app, image: backup:1 }] }
",
    );
    assert!(!refused, "{notes:?}");
    assert_eq!(notes, ["Deployment shop/cart: injected", "CronJob backup: injected"]);
    let proxy = |object: &Value, pointer: &str| object.pointer(pointer).cloned();
    assert_eq!(
        proxy(&objects[0], "/spec/template/spec/initContainers/1/name"),
        Some("serin-proxy".into())
    );
    assert!(objects[0].pointer("/spec/template/metadata/ownerReferences").is_none());
    assert!(objects[1].pointer("/spec/initContainers").is_none());
    let cron = "/spec/jobTemplate/spec/template/spec/initContainers/1/name";
    assert_eq!(proxy(&objects[2], cron), Some("serin-proxy".into()));
    let workload = objects[0].to_string();
    assert!(workload.contains(r#"{"name":"SERIN_WORKLOAD","value":"cart"}"#), "{workload}");
}

#[test]
fn a_refused_template_stays_as_it_is_and_says_why() {
    let (objects, notes, refused) = check(
        "
apiVersion: v1
kind: Pod
metadata: { name: clash }
spec: { containers: [{ name: app, image: x, securityContext: { runAsUser: 1337 } }] }
",
    );
    assert!(refused);
    assert!(notes[0].starts_with("Pod clash: container \"app\""), "{notes:?}");
    assert!(objects[0].pointer("/spec/initContainers").is_none());
}
