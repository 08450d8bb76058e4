//! How pods are named to their peers.

use model::{key::Key, resource::Resource, workload::Workload};
use serde_json::{Value, json};

use crate::index::for_tests::{Scene, ip, node, pod};

const ADDRESS: &str = "10.244.0.1";

fn workload(pods: impl IntoIterator<Item = Value>) -> Option<Workload> {
    let mut scene = Scene::new().with([node("one", true)]).with(pods);
    match scene.ask("shop", &Key::Workload(ip(ADDRESS))) {
        Some(Resource::Workload(workload)) => Some((*workload).clone()),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn cart() -> Value {
    pod("cart-v1-x", "cart", "v1", ADDRESS)
}

#[test]
fn a_pod_of_a_deployment_is_named_by_the_deployment() {
    let found = workload([cart()]).unwrap();
    assert_eq!(&*found.workload, "cart");
    assert_eq!((&*found.app, &*found.canonical_name), ("cart", "cart"));
    assert_eq!((&*found.version, &*found.canonical_revision), ("", "latest"));
    assert_eq!(found.revision.unwrap().as_str(), "v1");
    assert_eq!((&*found.zone, &*found.node), ("zone-a", "one"));
    assert_eq!(found.identity.unwrap().to_string(), "spiffe://cluster.local/ns/shop/sa/cart");
}

#[test]
fn a_pod_is_told_of_with_the_ports_that_its_proxy_does_not_take() {
    let mut excluding = cart();
    let args = json!(["redirect", "--exclude-inbound-ports", "9100"]);
    let redirect = json!({"name": "serin-redirect", "args": args});
    excluding["spec"]["initContainers"].as_array_mut().unwrap().push(redirect);
    let found = workload([excluding]).unwrap();
    assert_eq!((found.identity_at(9100), found.identity_at(15020)), (None, None));
    assert_eq!(found.identity_at(8080), found.identity.as_ref());
}

#[test]
fn a_pod_whose_proxy_keeps_names_of_headers_is_told_of_as_such() {
    let mut keeping = cart();
    keeping["spec"]["initContainers"][0]["env"] =
        json!([{"name": "SERIN_PRESERVE_HEADER_CASE", "value": "true"}]);
    assert!(workload([keeping]).unwrap().keeps_case);
    assert!(!workload([cart()]).unwrap().keeps_case);
}

#[test]
fn a_pod_is_named_by_what_made_what_made_it() {
    for (kind, owner, expect) in [
        ("Job", "nightly-29393280", "nightly"),
        ("Job", "import-1", "import-1"),
        ("StatefulSet", "db", "db"),
        ("DaemonSet", "agent", "agent"),
        ("ReplicaSet", "bare", "bare"),
    ] {
        let mut made = cart();
        made["metadata"]["ownerReferences"][0]["kind"] = json!(kind);
        made["metadata"]["ownerReferences"][0]["name"] = json!(owner);
        assert_eq!(&*workload([made]).unwrap().workload, expect);
    }
    let mut bare = cart();
    bare["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(&*workload([bare]).unwrap().workload, "cart-v1-x");
}

#[test]
fn a_pod_of_a_stateful_set_has_its_revision_too() {
    let mut made = cart();
    made["metadata"]["labels"] = json!({"controller-revision-hash": "db-5d4"});
    assert_eq!(workload([made]).unwrap().revision.unwrap().as_str(), "db-5d4");
}

#[test]
fn a_pod_with_its_nodes_address_is_not_told_of() {
    let mut host = cart();
    host["spec"]["hostNetwork"] = json!(true);
    assert_eq!(workload([host]), None);
}

#[test]
fn a_pod_that_is_over_has_no_address_any_more() {
    let mut over = cart();
    over["status"]["phase"] = json!("Succeeded");
    assert_eq!(workload([cart(), over]), None);
}

#[test]
fn of_two_pods_with_one_address_the_one_that_stays_is_meant() {
    let mut going = cart();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-20T10:00:00Z");
    let next = pod("next", "pay", "v1", ADDRESS);
    for order in [[going.clone(), next.clone()], [next, going]] {
        assert_eq!(&*workload(order).unwrap().pod, "next");
    }
}
