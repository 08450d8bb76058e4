//! What a route's owner reads in its status.

use serde_json::{Value, json};

use super::*;
use crate::index::for_tests::{Scene, parent, route, service};

/// The conditions of a route of `shop` attached to `cart`, as `type=status/reason`, and all
/// messages.
fn said(parents: Value, rules: Value) -> (Vec<String>, String) {
    let mut scene = Scene::new().with([service("cart", "10.96.0.1")]);
    scene.apply(route("shop", "r", parents, rules));
    let name = ObjectName::new("shop", "r");
    let found = verdicts(&scene.world, &name, scene.world.routes.get(&name).unwrap());
    let conditions = found.iter().flat_map(|verdict| &verdict.conditions);
    let short = |said: &Said| format!("{}={}/{}", said.kind, said.holds, said.reason);
    let messages = conditions.clone().map(|said| said.message.as_str());
    (conditions.clone().map(short).collect(), messages.collect::<Vec<_>>().join("\n"))
}

fn check(parents: Value, rules: Value, expect: &[&str], mentions: &[&str]) {
    let (conditions, messages) = said(parents, rules);
    assert_eq!(conditions, expect, "{messages}");
    for text in mentions {
        assert!(messages.contains(text), "{text:?} is not in {messages:?}");
    }
}

fn cart() -> Value {
    parent("shop", "cart")
}

const GOOD: [&str; 2] = ["Accepted=true/Accepted", "ResolvedRefs=true/ResolvedRefs"];

#[test]
fn a_good_route_is_accepted_and_resolved() {
    check(cart(), json!([{"backendRefs": [{"name": "cart", "port": 80}]}]), &GOOD, &[]);
}

#[test]
fn a_parent_that_is_not_there_is_named() {
    let expect = ["Accepted=false/NoMatchingParent", "ResolvedRefs=true/ResolvedRefs"];
    check(parent("shop", "none"), json!([]), &expect, &["shop/none"]);
    let mut port = cart();
    port[0]["port"] = json!(81);
    check(port, json!([]), &expect, &["no such port"]);
}

#[test]
fn a_parent_that_is_no_service_is_not_spoken_of() {
    check(json!([{"name": "gateway"}]), json!([]), &[], &[]);
    check(json!([{"kind": "Service", "name": "cart"}]), json!([]), &[], &[]);
}

#[test]
fn backends_that_do_not_resolve_are_named_with_their_place() {
    for (backend, reason) in [
        (json!({"name": "none", "port": 80}), "BackendNotFound"),
        (json!({"name": "cart", "port": 81}), "BackendNotFound"),
        (json!({"name": "cart"}), "BackendNotFound"),
        (json!({"name": "cart", "port": 80, "namespace": "other"}), "RefNotPermitted"),
        (json!({"name": "cart", "port": 80, "kind": "ConfigMap"}), "InvalidKind"),
        (json!({"name": "cart", "port": 80, "group": "x.io"}), "InvalidKind"),
    ] {
        let refs = format!("ResolvedRefs=false/{reason}");
        let rules = json!([{"backendRefs": [{"name": "cart", "port": 80}, backend]}]);
        let expect = ["Accepted=true/Accepted", &refs];
        check(cart(), rules, &expect, &["rules[0].backendRefs[1]", "500"]);
    }
}

#[test]
fn what_is_not_carried_out_is_named_with_what_happens_instead() {
    let expect = [GOOD[0], GOOD[1], "PartiallyInvalid=true/UnsupportedValue"];
    let rules = json!([{
        "matches": [{"path": {"type": "RegularExpression", "value": "/a.*"}}, {"method": "GET"}],
        "filters": [{"type": "RequestHeaderModifier"}],
        "timeouts": {"request": "10s"},
        "backendRefs": [{"name": "cart", "port": 80, "filters": [{"type": "URLRewrite"}]}],
    }]);
    let mentions = [
        "Dropped Rule",
        "rules[0].matches[0]: path of type RegularExpression is not implemented",
        "answered with 500",
        "rules[0].filters[0]: RequestHeaderModifier",
        "rules[0].backendRefs[0].filters[0]: URLRewrite",
        "rules[0].timeouts is not implemented and has no effect",
    ];
    check(cart(), rules, &expect, &mentions);
}

#[test]
fn a_route_of_which_nothing_is_left_is_not_accepted() {
    let expect = ["Accepted=false/UnsupportedValue", "ResolvedRefs=true/ResolvedRefs"];
    let rules = json!([{"matches": [{"headers": [
        {"type": "RegularExpression", "name": "x", "value": "."},
    ]}]}]);
    check(cart(), rules, &expect, &["Dropped Rule", "headers of type RegularExpression"]);
}

#[test]
fn a_route_that_cannot_be_read_is_not_accepted_and_its_field_is_named() {
    let expect = ["Accepted=false/UnsupportedValue"];
    let rules = json!([{"backendRefs": []}, {"matches": [{"path": {"value": 7}}]}]);
    let mentions = ["spec.rules[1].matches[0].path.value: ", "integer `7`, expected a string"];
    check(cart(), rules, &expect, &mentions);
    check(cart(), json!(7), &expect, &["spec.rules: "]);
    let good = json!([{"backendRefs": [{"name": "cart", "port": 80}]}]);
    let parents = json!([{"name": 7}, cart()[0]]);
    check(parents, good, &expect, &["spec.parentRefs[0].name: "]);
}

#[test]
fn a_message_names_the_first_few_and_counts_the_rest() {
    let backends: Vec<_> =
        (0..20).map(|n| json!({"name": format!("none-{n}"), "port": 80})).collect();
    let (_, messages) = said(cart(), json!([{"backendRefs": backends}]));
    assert!(messages.contains("and 12 more"), "{messages}");
}
