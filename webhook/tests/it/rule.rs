//! The table of pod shapes that webhook, operator and `serinctl` agree on.

use api::{injection::LeftAlone, webhook_config::WebhookConfig};
use serde_json::{Value, json};
use webhook::inject::{Circumstances, Injection, inject};

#[test]
fn every_shape_of_pod_is_injected_or_left_alone_as_the_table_says() {
    let rows = include_str!("../../../api/testdata/injection.json");
    for row in serde_json::from_str::<Vec<Value>>(rows).unwrap() {
        let config = WebhookConfig {
            honour_istio_labels: row["istio"].as_bool().unwrap_or(false),
            ..Default::default()
        };
        let around = Circumstances { namespace: "shop".to_owned(), ..Default::default() };
        // Whether labels ask is decided before the webhook is.
        let expected = row["why"].as_str();
        let found = match inject(&pod(&row), &config, &around).unwrap() {
            Injection::Leave(why) => Some(LeftAlone::label(why)),
            Injection::Patch(_) => None,
        };
        assert_eq!(found, expected, "{}", row["what"]);
    }
}

fn pod(row: &Value) -> k8s_openapi::api::core::v1::Pod {
    let mut spec = json!({ "containers": [{ "name": "app" }] });
    for (key, value) in row["spec"].as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let metadata = json!({ "labels": row["labels"], "annotations": row["annotations"] });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
}
