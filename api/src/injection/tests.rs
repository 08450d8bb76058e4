use serde_json::{Value, json};

use super::*;

/// A row of `testdata/injection.json`, against which webhook and operator are held too.
struct Row(Value);

impl Row {
    fn all() -> Vec<Self> {
        let rows = include_str!("../../testdata/injection.json");
        serde_json::from_str::<Vec<Value>>(rows).unwrap().into_iter().map(Self).collect()
    }

    fn pod(&self) -> Pod {
        let mut spec = json!({ "containers": [{ "name": "app" }] });
        for (key, value) in self.0["spec"].as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let metadata = json!({ "labels": self.0["labels"], "annotations": self.0["annotations"] });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
    }

    fn namespace(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.0["namespace"].clone()).unwrap_or_default()
    }
}

#[test]
fn every_shape_of_pod_is_wanted_or_left_alone_as_the_table_says() {
    for row in Row::all() {
        let istio = row.0["istio"].as_bool().unwrap_or(false);
        let rule = Rule { own: "serin-system", honour_istio_labels: istio };
        let pod = Traits::of(&row.pod());
        let (wanted, why) = (row.0["wanted"].as_bool().unwrap(), row.0["why"].as_str());
        assert_eq!(rule.wants_proxy("shop", &row.namespace(), &pod), wanted, "{}", row.0["what"]);
        assert_eq!(rule.left_alone("shop", &pod).map(LeftAlone::label), why, "{}", row.0["what"]);
    }
}

#[test]
fn the_table_has_every_reason_that_a_pod_can_show() {
    let rows = Row::all();
    let told: Vec<&str> = rows.iter().filter_map(|row| row.0["why"].as_str()).collect();
    // A pod without a spec cannot be; where it lives, it does not show.
    let hidden = [LeftAlone::SystemNamespace, LeftAlone::NoSpec];
    for why in LeftAlone::ALL.into_iter().filter(|why| !hidden.contains(why)) {
        assert!(told.contains(&why.label()), "{why:?}");
    }
}

#[test]
fn what_injection_needs_is_never_injected() {
    let rule = Rule { own: "mesh", honour_istio_labels: false };
    let asks = [(names::INJECTION.to_owned(), names::ENABLED.to_owned())].into();
    assert!(rule.is_meshed("shop", &asks));
    for namespace in ["mesh", "kube-system", "kube-public", "kube-node-lease"] {
        assert!(!rule.is_meshed(namespace, &asks), "{namespace}");
    }
}

#[test]
fn a_pod_without_a_spec_is_left_alone() {
    assert_eq!(Traits::of(&Pod::default()).obstacle, Some(LeftAlone::NoSpec));
}
