//! What askers are told, and that it depends on what is, not on how it came about.

use std::sync::Arc;

use model::{
    key::Key,
    resource::{Destination, Resource},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    index::for_tests::{
        Scene, applied, asker, deleted, gated, grant, mesh, node, parent, pod, rollout, route,
        service, service_id, slice,
    },
    view::View as _,
};

fn shop() -> Scene {
    Scene::new().with([
        node("one", true),
        service("cart", "10.96.0.1"),
        pod("cart-1", "cart", "v1", "10.244.0.1"),
        slice("cart", &[("cart-1", "10.244.0.1")]),
    ])
}

fn check_address(scene: &mut Scene, address: &str, expect: Option<&Destination>) {
    let found = scene.ask("shop", &Key::Address(address.parse().unwrap()));
    assert_eq!(found, expect.cloned().map(Resource::Destination), "{address}");
}

#[test]
fn an_address_is_a_services_port_or_a_pod_or_nothing() {
    let mut scene = shop();
    let cart = Destination::Service(service_id("cart.shop:80"));
    check_address(&mut scene, "10.96.0.1:80", Some(&cart));
    check_address(&mut scene, "10.96.0.1:81", None);
    check_address(&mut scene, "10.244.0.1:8080", Some(&Destination::Workload));
    check_address(&mut scene, "10.244.0.1:9", Some(&Destination::Workload));
    check_address(&mut scene, "192.0.2.1:80", None);
}

#[test]
fn an_address_that_only_a_pod_can_have_is_a_pods_whether_or_not_it_was_seen() {
    let mut ranged = node("one", true);
    ranged["spec"] = json!({"podCIDRs": ["10.244.0.0/24"]});
    ranged["status"]["addresses"] = json!([{"type": "InternalIP", "address": "10.244.0.77"}]);
    let range = json!({
        "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": ["10.96.0.0/16"]},
    });
    let mut scene = shop().with([ranged, range, pod("far", "cart", "v1", "10.9.0.1")]);
    check_address(&mut scene, "10.244.0.9:8080", Some(&Destination::Workload));
    assert_eq!(scene.ask("shop", &Key::Workload("10.244.0.9".parse().unwrap())), None);
    check_address(&mut scene, "10.96.7.7:80", Some(&Destination::Workload));
    check_address(&mut scene, "10.96.0.1:81", Some(&Destination::Workload));
    check_address(&mut scene, "10.244.0.77:10250", None);
    check_address(&mut scene, "10.9.0.2:5432", None);

    let mut declared = mesh("Permissive");
    declared["spec"]["network"] = json!({"cidrs": ["10.9.0.0/16"]});
    scene.apply(declared);
    check_address(&mut scene, "10.9.0.2:5432", Some(&Destination::Workload));
    check_address(&mut scene, "10.244.0.9:8080", None);
}

/// A slice that somebody wrote by hand: nobody says whose the addresses are.
fn by_hand(addresses: &[&str]) -> Value {
    let pods: Vec<_> = addresses.iter().map(|address| ("", *address)).collect();
    let mut slice = slice("cart", &pods);
    slice["metadata"]["name"] = json!("by-hand");
    for endpoint in slice["endpoints"].as_array_mut().unwrap() {
        endpoint["targetRef"] = Value::Null;
    }
    slice
}

/// A mesh that all of 10.0.0.0/8 is said to belong to.
fn wide() -> Value {
    let mut declared = mesh("Permissive");
    declared["spec"]["network"] = json!({"cidrs": ["10.0.0.0/8"]});
    declared
}

/// A node that gives these addresses to its pods.
fn ranged() -> Value {
    let mut ranged = node("one", true);
    ranged["spec"] = json!({"podCIDRs": ["10.244.0.0/24"]});
    ranged
}

/// The service with addresses outside of the cluster.
fn balanced() -> Value {
    let mut balanced = service("cart", "10.96.0.1");
    balanced["spec"]["externalIPs"] = json!(["10.7.0.1"]);
    balanced["status"] = json!({"loadBalancer": {"ingress": [
        {"ip": "10.7.0.2"}, {"hostname": "lb.example"},
    ]}});
    balanced
}

#[test]
fn an_address_that_is_said_to_be_somebody_elses_is_not_the_meshs() {
    let pods = Some(&Destination::Workload);
    let mut scene = shop().with([ranged(), wide()]);
    check_address(&mut scene, "10.7.0.1:443", pods);
    check_address(&mut scene, "10.7.0.2:443", pods);
    check_address(&mut scene, "10.8.0.5:5432", pods);
    scene.apply(balanced());
    check_address(&mut scene, "10.7.0.1:443", None);
    check_address(&mut scene, "10.7.0.2:443", None);
    scene.apply(by_hand(&["10.8.0.5", "10.244.0.9", "10.244.0.1"]));
    check_address(&mut scene, "10.8.0.5:5432", None);
    check_address(&mut scene, "10.244.0.9:5432", pods);
    check_address(&mut scene, "10.244.0.1:5432", pods);
    scene.apply(service("cart", "10.96.0.1"));
    scene.apply(by_hand(&["10.8.0.6"]));
    check_address(&mut scene, "10.7.0.1:443", pods);
    check_address(&mut scene, "10.8.0.5:5432", pods);
}

#[test]
fn the_addresses_of_a_headless_service_are_its_pods() {
    let mut headless = service("cart", "None");
    headless["spec"]["clusterIPs"] = json!(["None"]);
    let mut scene = shop().with([headless]);
    check_address(&mut scene, "10.96.0.1:80", None);
    check_address(&mut scene, "10.244.0.1:8080", Some(&Destination::Workload));
    assert_eq!(scene.endpoints("cart.shop:80").len(), 1);
}

#[test]
fn every_address_and_port_of_a_service_leads_to_it() {
    let mut dual = service("cart", "10.96.0.1");
    dual["spec"]["clusterIPs"] = json!(["10.96.0.1", "fd00::1"]);
    dual["spec"]["ports"] = json!([
        {"name": "http", "port": 80, "targetPort": "web"},
        {"name": "admin", "port": 81},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    let mut scene = shop().with([dual]);
    let admin = Destination::Service(service_id("cart.shop:81"));
    check_address(&mut scene, "[fd00::1]:81", Some(&admin));
    check_address(&mut scene, "10.96.0.1:53", None);
}

#[test]
fn an_address_that_changes_hands_is_the_new_owners() {
    let mut scene = shop();
    scene.snapshot();
    scene.delete(&service("cart", "10.96.0.1"));
    scene.apply(service("pay", "10.96.0.1"));
    let pay = Destination::Service(service_id("pay.shop:80"));
    check_address(&mut scene, "10.96.0.1:80", Some(&pay));
    assert_eq!(scene.ask("shop", &Key::Service(service_id("cart.shop:80"))), None);
    assert_eq!(scene.ask("shop", &Key::Endpoints(service_id("cart.shop:80"))), None);
}

#[test]
fn a_host_is_looked_up_from_the_askers_namespace_and_must_exist() {
    let mut scene = shop();
    let mut ask = |namespace: &str, host: &str| {
        let key = Key::Host(model::service::ServiceId::new(host, 80));
        scene.ask(namespace, &key).is_some()
    };
    assert!(ask("shop", "cart"));
    assert!(!ask("other", "cart"));
    assert!(ask("other", "cart.shop"));
    assert!(!ask("shop", "pay"));
}

#[test]
fn a_pods_own_policy_names_the_services_that_lead_to_it() {
    let mut scene = shop().with([mesh("Strict")]);
    let snapshot = scene.snapshot();
    let Some(Resource::Inbound(inbound)) =
        snapshot.resolve(&asker("shop", "cart-1"), &Key::Inbound)
    else {
        panic!("no policy");
    };
    assert_eq!(inbound.mtls, model::inbound::MtlsMode::Strict);
    assert_eq!(inbound.identity.to_string(), "spiffe://cluster.local/ns/shop/sa/cart");
    let port = inbound.ports.get(&8080).unwrap();
    assert_eq!(port.protocol, model::service::Protocol::Http);
    assert_eq!(port.service.as_ref().unwrap().id, service_id("cart.shop:80"));
    assert_eq!(snapshot.resolve(&asker("shop", "stranger"), &Key::Inbound), None);
    assert_eq!(&*snapshot.pod("uid-cart-1").unwrap().name, "cart-1");
}

#[test]
fn services_that_disagree_about_a_port_leave_it_to_detection() {
    let mut other = service("zz", "10.96.0.9");
    other["spec"]["selector"] = json!({"app": "cart"});
    other["spec"]["ports"][0]["name"] = json!("tcp");
    let snapshot = shop().with([other]).snapshot();
    let Some(Resource::Inbound(inbound)) =
        snapshot.resolve(&asker("shop", "cart-1"), &Key::Inbound)
    else {
        panic!("no policy");
    };
    let port = inbound.ports.get(&8080).unwrap();
    assert_eq!(port.protocol, model::service::Protocol::Detect);
    assert_eq!(&*port.service.as_ref().unwrap().name, "cart");
}

#[test]
fn a_mesh_whose_declaration_is_deleted_stays_as_strict_as_it_was() {
    let mut scene = shop().with([mesh("Strict")]);
    scene.snapshot();
    scene.delete(&mesh("Strict"));
    scene.apply(pod("cart-2", "cart", "v1", "10.244.0.2"));
    let snapshot = scene.snapshot();
    let Some(Resource::Inbound(inbound)) =
        snapshot.resolve(&asker("shop", "cart-2"), &Key::Inbound)
    else {
        panic!("no policy");
    };
    assert_eq!(inbound.mtls, model::inbound::MtlsMode::Strict);
}

fn cidrs(objects: impl IntoIterator<Item = Value>) -> Vec<String> {
    match shop().with(objects).ask("shop", &Key::Mesh) {
        Some(Resource::Mesh(mesh)) => mesh.cidrs.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_meshs_addresses_are_what_is_declared_else_what_is_found() {
    assert_eq!(cidrs([]), ["10.96.0.0/24", "10.244.0.0/24"], "observed");
    let range = json!({
        "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": ["10.96.0.0/16"]},
    });
    let mut one = node("one", true);
    one["spec"] = json!({"podCIDRs": ["10.244.0.0/24"]});
    let mut two = node("two", true);
    two["spec"] = json!({"podCIDRs": ["10.244.1.0/24"]});
    assert_eq!(cidrs([range, one, two]), ["10.96.0.0/16", "10.244.0.0/23"]);
    let mut declared = mesh("Permissive");
    declared["spec"]["network"] = json!({"cidrs": ["10.0.0.0/8"]});
    assert_eq!(cidrs([declared]), ["10.0.0.0/8"]);
}

#[test]
fn what_has_not_changed_is_the_same_in_the_next_snapshot() {
    let mut scene = shop().with([service("pay", "10.96.0.2")]);
    let ask = |scene: &mut Scene, id: &str| scene.service("shop", id);
    let (cart, pay) = (ask(&mut scene, "cart.shop:80"), ask(&mut scene, "pay.shop:80"));
    scene.apply(rollout("cart", 5, "v2", 1000));
    assert!(Arc::ptr_eq(&pay, &ask(&mut scene, "pay.shop:80")));
    let split = ask(&mut scene, "cart.shop:80");
    assert!(!Arc::ptr_eq(&cart, &split));
    let backend = split.backends.get(&service_id("cart.shop:80")).unwrap();
    assert_eq!(backend.split.as_ref().unwrap().decision, 5);

    // A heartbeat of a node, or a status that says the same again, is no news.
    scene.apply(node("one", true));
    scene.apply(rollout("cart", 5, "v2", 1000));
    assert!(scene.world.is_clean());
}

/// One object and what it may be: the first is that it is absent.
fn slots() -> Vec<Vec<Value>> {
    let changed = |mut object: Value, path: &str, value: Value| {
        *object.pointer_mut(path).unwrap() = value;
        object
    };
    let cart = service("cart", "10.96.0.1");
    let one = pod("p1", "cart", "v1", "10.244.0.1");
    let two = pod("p2", "cart", "v2", "10.244.1.2");
    let three = pod("p3", "pay", "v1", "10.244.1.2");
    let backends = json!([{"backendRefs": [
        {"name": "pay", "namespace": "shop", "port": 80, "weight": 3},
        {"name": "cart", "namespace": "shop", "port": 80, "weight": 1},
    ]}]);
    let going = json!("2026-11-20T10:00:01Z");
    let mut leaving = one.clone();
    leaving["metadata"]["deletionTimestamp"] = going;
    vec![
        vec![
            cart.clone(),
            changed(cart.clone(), "/spec/ports/0/port", json!(81)),
            changed(cart.clone(), "/spec/clusterIPs", json!(["10.96.0.7"])),
            changed(cart, "/spec/selector", json!({"app": "pay"})),
            balanced(),
        ],
        vec![service("pay", "10.96.0.2"), service("pay", "10.96.1.2")],
        vec![
            one.clone(),
            leaving,
            changed(one.clone(), "/status/podIPs/0/ip", json!("10.244.0.9")),
            changed(one, "/metadata/uid", json!("again")),
        ],
        vec![
            gated(two.clone(), false),
            gated(two.clone(), true),
            changed(gated(two, false), "/status/conditions/0/status", json!("False")),
        ],
        vec![three.clone(), changed(three, "/metadata/labels", json!({"app": "cart"}))],
        vec![
            slice("cart", &[("p1", "10.244.0.1")]),
            slice("cart", &[("p1", "10.244.0.1"), ("p2", "10.244.1.2")]),
            changed(
                slice("cart", &[("p3", "10.244.1.2")]),
                "/metadata/labels/kubernetes.io~1service-name",
                json!("pay"),
            ),
        ],
        vec![by_hand(&["10.244.0.1", "10.8.0.5"]), by_hand(&["10.244.1.2", "10.244.0.9"])],
        vec![node("one", true), node("one", false), ranged()],
        vec![
            route("shop", "r", parent("shop", "cart"), backends.clone()),
            route("shop", "r", parent("shop", "pay"), json!([{"filters": [{"type": "CORS"}]}])),
        ],
        vec![route("other", "r", parent("shop", "cart"), backends)],
        vec![rollout("cart", 7, "v2", 2500), rollout("pay", 7, "v1", 100)],
        vec![grant("shop", "g", "other", None), grant("shop", "g", "other", Some("cart"))],
        vec![mesh("Permissive"), mesh("Strict"), wide()],
    ]
}

fn scene_of(state: &[Option<Value>]) -> Scene {
    Scene::new().with(state.iter().flatten().cloned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_order_of_events_leaves_no_trace(
        events in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<bool>()), 1..60),
    ) {
        let slots = slots();
        let mut scene = Scene::new();
        let mut state: Vec<Option<Value>> = vec![None; slots.len()];
        for (slot, variant, settle) in events {
            let slot = slot % slots.len();
            let mesh = slot == slots.len() - 1;
            let next = match variant % (slots[slot].len() + 1) {
                0 if !mesh => None,
                number => slots[slot].get(number.saturating_sub(1)).cloned(),
            };
            // An object of another name in the same slot: the one before has to go.
            if let Some(before) = state[slot].take() {
                let name = |object: &Value| object["metadata"]["name"].clone();
                if next.as_ref().map(name) != Some(name(&before)) {
                    scene.world.take(deleted(&before));
                }
            }
            if let Some(next) = &next {
                scene.world.take(applied(next.clone()));
            }
            state[slot] = next;
            if settle {
                scene.snapshot();
            }
        }
        prop_assert!(scene.snapshot() == scene_of(&state).snapshot(), "{state:#?}");
    }

    #[test]
    fn a_bad_object_harms_only_itself(bad in 0..bad().len(), first in any::<bool>()) {
        let bad = bad_at(bad);
        let good = || slots().into_iter().flat_map(|variants| variants.into_iter().next());
        let mut scene = Scene::new();
        if first {
            scene.apply(bad.clone());
        }
        good().for_each(|object| scene.apply(object));
        scene.apply(bad);
        let (found, expect) = (scene.snapshot(), Scene::new().with(good()).snapshot());
        let asker = asker("other", "caller");
        for id in ["cart.shop:80", "pay.shop:80"].map(service_id) {
            for key in [Key::Service(id.clone()), Key::Endpoints(id)] {
                prop_assert_eq!(found.resolve(&asker, &key), expect.resolve(&asker, &key));
            }
        }
    }
}

/// Objects that the API server would not accept, or that make no sense.
fn bad() -> Vec<Value> {
    let named = |kind: &str, spec: Value| json!({"kind": kind, "metadata": {"namespace": "shop", "name": "bad"}, "spec": spec});
    let mut route_of_numbers = route("shop", "bad", parent("shop", "cart"), json!([]));
    route_of_numbers["spec"]["rules"] = json!(7);
    let mut uid = pod("bad", "cart", "v9", "not an address");
    uid["metadata"]["uid"] = Value::Null;
    vec![
        route_of_numbers,
        uid,
        pod("bad", "bad", "a revision with spaces", "999.1.1.1"),
        named("Service", json!({"ports": [{"port": 99999}, {"port": -1}], "clusterIP": "x"})),
        named("Service", json!({"selector": {}, "ports": [{"port": 80, "targetPort": 123_456}]})),
        route(
            "shop",
            "bad",
            parent("shop", "cart"),
            json!([
                {"matches": [{"path": {"type": "RegularExpression", "value": "("}}]},
            ]),
        ),
        route("shop", "bad", parent("", ""), json!([{"backendRefs": [{"name": "", "port": -3}]}])),
        json!({
            "kind": "CanaryRollout",
            "metadata": {"namespace": "shop", "name": "bad", "uid": "u"},
            "spec": {"targetRef": {"name": "x"}},
            "status": {"decision": {
                "number": -1, "services": ["cart"], "canary": "v2", "weight": 99_999,
            }},
        }),
    ]
}

fn bad_at(index: usize) -> Value {
    bad().into_iter().nth(index).unwrap()
}
