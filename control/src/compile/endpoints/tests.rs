//! Which pods a service's callers are told of, and as what.

use model::{
    endpoint::{Endpoint, Readiness},
    revision::Revision,
};
use serde_json::{Value, json};

use crate::index::for_tests::{Scene, gated, node, pod, service, slice};

const STABLE: &str = "10.244.0.1";
const CANARY: &str = "10.244.0.2";

/// A service with one stable pod, listed, and one more pod, not listed.
fn scene(other: Value) -> Scene {
    Scene::new().with([
        node("one", true),
        service("cart", "10.96.0.1"),
        pod("stable", "cart", "v1", STABLE),
        slice("cart", &[("stable", STABLE)]),
        other,
    ])
}

fn canary() -> Value {
    gated(pod("canary", "cart", "v2", CANARY), false)
}

fn addresses(scene: &mut Scene) -> Vec<(String, Readiness)> {
    let endpoints = scene.endpoints("cart.shop:80").into_iter();
    endpoints.map(|it| (it.address.ip().to_string(), it.readiness)).collect()
}

fn check(mut scene: Scene, expect: &[(&str, Readiness)]) {
    let expect: Vec<_> = expect.iter().map(|(ip, ready)| ((*ip).to_owned(), *ready)).collect();
    assert_eq!(addresses(&mut scene), expect);
}

#[test]
fn a_listed_pod_is_described_by_what_is_known_of_it() {
    let endpoints = scene(node("two", true)).endpoints("cart.shop:80");
    let expect = Endpoint {
        address: "10.244.0.1:8080".parse().unwrap(),
        identity: Some("spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap()),
        revision: Some(Revision::new("v1").unwrap()),
        readiness: Readiness::Ready,
        zone: "zone-a".into(),
        keeps_case: false,
    };
    assert_eq!(endpoints, [expect]);
}

#[test]
fn an_endpoint_whose_proxy_keeps_names_of_headers_is_told_of_as_such() {
    let mut keeping = pod("stable", "cart", "v1", STABLE);
    keeping["spec"]["initContainers"][0]["env"] =
        json!([{"name": "SERIN_PRESERVE_HEADER_CASE", "value": "true"}]);
    let endpoints = scene(keeping).endpoints("cart.shop:80");
    assert_eq!(endpoints.iter().map(|it| it.keeps_case).collect::<Vec<_>>(), [true]);
}

#[test]
fn a_gated_pod_is_told_of_although_no_slice_lists_it() {
    check(scene(canary()), &[(STABLE, Readiness::Ready), (CANARY, Readiness::Gated)]);
}

#[test]
fn a_gated_pod_must_be_able_to_serve() {
    let only_stable = [(STABLE, Readiness::Ready)];
    let mut unready = canary();
    unready["status"]["conditions"][0]["status"] = json!("False");
    check(scene(unready), &only_stable);
    let mut crashed = canary();
    crashed["status"]["containerStatuses"][0]["ready"] = json!(false);
    check(scene(crashed), &only_stable);
    let mut going = canary();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-20T10:00:00Z");
    check(scene(going), &only_stable);
    let mut elsewhere = canary();
    elsewhere["metadata"]["labels"]["app"] = json!("other");
    check(scene(elsewhere), &only_stable);
    check(scene(canary()).with([node("one", false)]), &only_stable);
    let mut lost = scene(canary());
    lost.delete(&node("one", true));
    check(lost, &only_stable);
}

#[test]
fn a_pod_does_not_vanish_between_its_gates_opening_and_its_listing() {
    let open = gated(pod("canary", "cart", "v2", CANARY), true);
    let scene = scene(open).with([slice("cart", &[("stable", STABLE)])]);
    check(scene, &[(STABLE, Readiness::Ready), (CANARY, Readiness::Gated)]);
}

#[test]
fn a_gated_pod_is_gated_even_where_unready_addresses_are_published() {
    let listed = slice("cart", &[("stable", STABLE), ("canary", CANARY)]);
    let scene = scene(canary()).with([listed]);
    check(scene, &[(STABLE, Readiness::Ready), (CANARY, Readiness::Gated)]);
}

#[test]
fn a_pod_that_nobody_gated_and_nobody_listed_gets_nothing() {
    check(scene(pod("new", "cart", "v2", CANARY)), &[(STABLE, Readiness::Ready)]);
}

#[test]
fn a_listed_pod_that_is_not_known_is_not_told_of() {
    let listed = slice("cart", &[("stable", STABLE), ("unknown", CANARY)]);
    check(scene(listed), &[(STABLE, Readiness::Ready)]);
}

#[test]
fn a_listed_pod_made_again_under_its_name_waits_for_its_own_listing() {
    let mut again = pod("stable", "cart", "v1", CANARY);
    again["metadata"]["uid"] = json!("another");
    check(scene(again), &[]);
}

#[test]
fn a_pod_that_is_going_is_left_at_once_unless_it_is_the_last() {
    let mut going = pod("stable", "cart", "v1", STABLE);
    going["metadata"]["deletionTimestamp"] = json!("2026-11-20T10:00:00Z");
    check(scene(going.clone()), &[(STABLE, Readiness::Ready)]);

    let both = slice("cart", &[("stable", STABLE), ("other", "10.244.0.3")]);
    let other = pod("other", "cart", "v1", "10.244.0.3");
    check(scene(going).with([other, both]), &[("10.244.0.3", Readiness::Ready)]);
}

#[test]
fn a_gated_pod_is_no_reason_to_leave_the_last_pod_that_is_going() {
    let mut going = pod("stable", "cart", "v1", STABLE);
    going["metadata"]["deletionTimestamp"] = json!("2026-11-20T10:00:00Z");
    let scene = scene(canary()).with([going]);
    check(scene, &[(STABLE, Readiness::Ready), (CANARY, Readiness::Gated)]);
}

#[test]
fn an_endpoint_that_is_no_pod_is_reached_in_plain_text() {
    let mut outside = slice("cart", &[("x", "192.0.2.7")]);
    outside["endpoints"][0]["targetRef"] = Value::Null;
    let endpoints = scene(outside).endpoints("cart.shop:80");
    assert_eq!(endpoints, [Endpoint::plain("192.0.2.7:8080".parse().unwrap())]);
}

/// A slice of the service that lists the pod at [`STABLE`] by its address alone.
fn nameless() -> Value {
    let mut slice = slice("cart", &[("x", STABLE)]);
    slice["endpoints"][0]["targetRef"] = Value::Null;
    slice
}

#[test]
fn an_endpoint_that_names_no_pod_is_the_pod_at_its_address() {
    let named = scene(node("two", true)).endpoints("cart.shop:80");
    assert_eq!(scene(nameless()).endpoints("cart.shop:80"), named);
    let mut late = Scene::new().with([service("cart", "10.96.0.1"), nameless()]);
    assert_eq!(late.endpoints("cart.shop:80")[0].identity, None);
    late.apply(node("one", true));
    late.apply(pod("stable", "cart", "v1", STABLE));
    assert_eq!(late.endpoints("cart.shop:80"), named, "the pod was seen after the slice");
    let mut host = pod("stable", "cart", "v1", STABLE);
    host["spec"]["hostNetwork"] = json!(true);
    assert_eq!(scene(nameless()).with([host]).endpoints("cart.shop:80")[0].identity, None);
}

#[test]
fn an_endpoint_at_an_address_that_only_a_pod_can_have_waits_for_the_pod() {
    let mut ranged = node("one", true);
    ranged["spec"] = json!({"podCIDRs": ["10.244.0.0/24"]});
    let mut late = Scene::new().with([service("cart", "10.96.0.1"), nameless()]);
    assert_eq!(late.endpoints("cart.shop:80").len(), 1, "it may be anybody's");
    late.apply(ranged.clone());
    assert_eq!(late.endpoints("cart.shop:80"), []);
    late.apply(pod("stable", "cart", "v1", STABLE));
    assert!(late.endpoints("cart.shop:80")[0].identity.is_some());
    late.delete(&pod("stable", "cart", "v1", STABLE));
    assert_eq!(late.endpoints("cart.shop:80"), []);
    ranged["status"]["addresses"] = json!([{"type": "InternalIP", "address": STABLE}]);
    late.apply(ranged);
    assert_eq!(late.endpoints("cart.shop:80")[0].identity, None, "it is the node's");
}

#[test]
fn a_port_that_the_pods_redirection_leaves_alone_is_spoken_to_in_plain_text() {
    let identity = |excluded: &str| {
        let mut pod = pod("stable", "cart", "v1", STABLE);
        let args = json!(["redirect", "--exclude-inbound-ports", excluded]);
        let redirect = json!({"name": "serin-redirect", "args": args});
        pod["spec"]["initContainers"].as_array_mut().unwrap().push(redirect);
        scene(pod).endpoints("cart.shop:80")[0].identity.clone()
    };
    assert_eq!(identity("9100,8080"), None);
    assert!(identity("9100,80").is_some(), "the port of the pod counts, not the service's");
}

#[test]
fn a_pod_without_a_proxy_has_no_identity_whatever_its_labels_say() {
    let mut bare = pod("stable", "cart", "v1", STABLE);
    bare["spec"]["initContainers"] = json!([]);
    let endpoints = scene(bare).endpoints("cart.shop:80");
    assert_eq!(endpoints.iter().map(|it| it.identity.clone()).collect::<Vec<_>>(), [None]);
}

#[test]
fn one_address_of_a_pod_with_two_families_is_enough() {
    let mut six = slice("cart", &[("stable", "fd00::1")]);
    six["metadata"]["name"] = json!("cart-six");
    six["addressType"] = json!("IPv6");
    check(scene(six), &[(STABLE, Readiness::Ready)]);
}
