use std::collections::BTreeMap;

use api::mesh::{MeshInstallation, MeshInstallationSpec};
use serde_json::Value;

use super::*;
use crate::mesh::valid::{Operator, validate};

type Labels = BTreeMap<String, String>;

/// As the API server does.
fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selector.match_expressions.iter().flatten().all(|requirement| {
        let value = labels.get(&requirement.key);
        let listed = value.is_some_and(|it| requirement.values.iter().flatten().any(|v| v == it));
        listed == (requirement.operator == "In")
    })
}

fn entries_of(istio: bool) -> Vec<Entry> {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("u".to_owned());
    mesh.spec.injection.honour_istio_labels = istio;
    let text = str::to_owned;
    let operator = Operator {
        namespace: text("serin-system"),
        images: text("serin.dev"),
        version: text("1.2.3"),
    };
    entries(&validate(&mesh, &operator).unwrap())
}

#[test]
fn one_entry_means_each_pod_that_is_to_have_a_proxy_and_none_a_pod_that_nobody_asks_one_for() {
    let rows = include_str!("../../../../../api/testdata/injection.json");
    for row in serde_json::from_str::<Vec<Value>>(rows).unwrap() {
        let labels = |of: &Value| serde_json::from_value::<Labels>(of.clone()).unwrap_or_default();
        let (mut namespace, pod) = (labels(&row["namespace"]), labels(&row["labels"]));
        namespace.insert("kubernetes.io/metadata.name".to_owned(), "shop".to_owned());
        let means = |it: &&Entry| matches(&it.namespaces, &namespace) && matches(&it.pods, &pod);
        let meant =
            entries_of(row["istio"].as_bool().unwrap_or(false)).iter().filter(means).count();
        let (wanted, why) = (row["wanted"].as_bool().unwrap(), row["why"].as_str());
        // Of a pod that is left alone the webhook may be asked, and says so.
        assert!(meant == usize::from(wanted) || (why.is_some() && meant <= 1), "{}", row["what"]);
    }
}
