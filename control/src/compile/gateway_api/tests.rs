//! What HTTPRoutes do to the traffic of services.

use model::{
    route::{PathMatch, Route, pick, total_weight},
    service::Service,
};
use serde_json::{Value, json};

use super::*;
use crate::index::for_tests::{Scene, grant, parent, rollout, route, service, service_id};

fn scene() -> Scene {
    let services = [("cart", "10.96.0.1"), ("cart-v2", "10.96.0.2"), ("pay", "10.96.0.3")];
    Scene::new().with(services.map(|(name, address)| service(name, address)))
}

fn backends(weights: &[(&str, u32)]) -> Value {
    let all =
        weights.iter().map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight}));
    json!(all.collect::<Vec<_>>())
}

/// Routes of `cart` as seen from `namespace`, where `routes` are there.
fn cart(namespace: &str, routes: impl IntoIterator<Item = Value>) -> Arc<Service> {
    scene().with(routes).service(namespace, "cart.shop:80")
}

fn targets(route: &Route) -> Vec<(Option<String>, u32)> {
    let name = |id: &ServiceId| id.to_string().replace(".svc.cluster.local", "");
    route.backends.iter().map(|it| (it.service.as_ref().map(name), it.weight)).collect()
}

fn split(namespace: &str, name: &str, weights: &[(&str, u32)]) -> Value {
    route(namespace, name, parent("shop", "cart"), json!([{"backendRefs": backends(weights)}]))
}

#[test]
fn a_route_divides_a_services_requests_by_weight() {
    let found = cart("shop", [split("shop", "r", &[("cart", 70), ("cart-v2", 30)])]);
    let [route] = &found.routes[..] else { panic!("{found:?}") };
    assert_eq!(&*route.name, "shop/r");
    let expect = [(Some("cart.shop:80".to_owned()), 70), (Some("cart-v2.shop:80".to_owned()), 30)];
    assert_eq!(targets(route), expect);
    assert_eq!(total_weight(&route.backends), 100);
    assert_eq!(
        pick(&route.backends, 70).and_then(|it| it.service.clone()),
        Some(service_id("cart-v2.shop:80"))
    );
    let described: Vec<_> = found.backends.keys().cloned().collect();
    assert_eq!(described, [service_id("cart-v2.shop:80"), service_id("cart.shop:80")]);
}

#[test]
fn a_service_without_routes_is_its_own_backend() {
    let found = cart("shop", []);
    assert!(found.routes.is_empty());
    assert_eq!(found.backends.len(), 1);
}

#[test]
fn a_rollout_and_a_route_on_one_service_compose() {
    let all = [split("shop", "r", &[("cart", 1), ("pay", 1)]), rollout("cart", 4, "v2", 500)];
    let found = cart("shop", all);
    assert_eq!(found.routes.len(), 1);
    let decision = |id: &str| {
        let backend = found.backends.get(&service_id(id)).unwrap();
        backend.split.as_ref().map(|split| split.decision)
    };
    assert_eq!((decision("cart.shop:80"), decision("pay.shop:80")), (Some(4), None));
}

#[test]
fn a_rollout_on_a_backend_reaches_callers_of_the_service_that_routes_to_it() {
    let all = [split("shop", "r", &[("pay", 1)]), rollout("pay", 4, "v2", 500)];
    let found = cart("shop", all);
    assert!(found.backends.get(&service_id("pay.shop:80")).unwrap().split.is_some());
}

#[test]
fn a_consumers_route_replaces_the_producers_in_its_own_namespace_alone() {
    let producer = split("shop", "p", &[("cart", 1)]);
    let mut consumer = split("client", "c", &[("cart", 1)]);
    consumer["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("shop");
    let all = [producer, consumer];
    let names = |namespace| -> Vec<_> {
        let found = cart(namespace, all.clone());
        found.routes.iter().map(|route| route.name.to_string()).collect()
    };
    assert_eq!(names("shop"), ["shop/p"]);
    assert_eq!(names("client"), ["client/c"]);
    assert_eq!(names("third"), ["shop/p"]);
    let seen = cart("client", all.clone());
    let [route] = &seen.routes[..] else { panic!("{seen:?}") };
    let expect = [(Some("cart.shop:80".to_owned()), 1)];
    assert_eq!(targets(route), expect, "the parent may be named without a grant");
}

#[test]
fn a_parents_port_and_section_choose_the_port() {
    let with = |field: &str, value: Value| {
        let mut chosen = split("shop", "r", &[("cart", 1)]);
        chosen["spec"]["parentRefs"][0][field] = value;
        cart("shop", [chosen]).routes.len()
    };
    assert_eq!(with("port", json!(80)), 1);
    assert_eq!(with("port", json!(81)), 0);
    assert_eq!(with("sectionName", json!("http")), 1);
    assert_eq!(with("sectionName", json!("grpc")), 0);
}

#[test]
fn parents_that_are_no_services_are_somebody_elses() {
    let mut gateway = split("shop", "r", &[("pay", 1)]);
    gateway["spec"]["parentRefs"] = json!([{"name": "cart"}]);
    assert!(cart("shop", [gateway]).routes.is_empty());
}

#[test]
fn a_backend_that_does_not_resolve_keeps_its_part_and_answers_with_an_error() {
    for (field, value) in [
        ("name", json!("nowhere")),
        ("port", json!(81)),
        ("port", Value::Null),
        ("kind", json!("ConfigMap")),
        ("namespace", json!("other")),
        ("filters", json!([{"type": "RequestHeaderModifier"}])),
    ] {
        let mut broken = split("shop", "r", &[("pay", 30), ("cart", 70)]);
        broken["spec"]["rules"][0]["backendRefs"][0][field] = value.clone();
        let found = cart("shop", [broken]);
        let expect = [(None, 30), (Some("cart.shop:80".to_owned()), 70)];
        assert_eq!(targets(&found.routes[0]), expect, "{field}: {value}");
    }
}

#[test]
fn a_backend_in_another_namespace_is_reached_where_a_grant_allows_it() {
    let mut far = split("client", "r", &[("pay", 1)]);
    far["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("shop");
    let mut scene = scene().with([far]);
    let mut check = |change: &dyn Fn(&mut Scene), granted: bool| {
        change(&mut scene);
        let found = scene.service("client", "cart.shop:80");
        let expect = granted.then(|| "pay.shop:80".to_owned());
        assert_eq!(targets(&found.routes[0]), [(expect, 1)]);
    };
    let granted = |namespace: &'static str, service: Option<&'static str>| {
        move |scene: &mut Scene| scene.apply(grant("shop", "g", namespace, service))
    };
    check(&|_| {}, false);
    check(&granted("client", None), true);
    check(&granted("other", None), false);
    check(&granted("client", Some("cart")), false);
    check(&granted("client", Some("pay")), true);
    check(&|scene| scene.delete(&grant("shop", "g", "client", Some("pay"))), false);
    check(&|scene| scene.apply(grant("client", "g", "client", None)), false);
}

#[test]
fn a_filter_that_is_not_carried_out_fails_its_rule_and_no_other() {
    let rules = json!([
        {"matches": [{"path": {"value": "/a"}}], "filters": [{"type": "URLRewrite"}],
         "backendRefs": backends(&[("cart", 1)])},
        {"backendRefs": backends(&[("cart", 1)])},
    ]);
    let found = cart("shop", [route("shop", "r", parent("shop", "cart"), rules)]);
    let sizes: Vec<_> = found.routes.iter().map(|route| route.backends.len()).collect();
    assert_eq!(sizes, [0, 1]);
}

#[test]
fn a_match_that_is_not_carried_out_matches_nothing() {
    let regex = json!({"path": {"type": "RegularExpression", "value": "/.*"}});
    let header = json!({"headers": [{"type": "RegularExpression", "name": "x", "value": "."}]});
    let unknown = json!({"body": "x"});
    for odd in [regex, header, unknown] {
        let rules = json!([{
            "matches": [odd, {"path": {"type": "Exact", "value": "/b"}}],
            "backendRefs": backends(&[("cart", 1)]),
        }]);
        let found = cart("shop", [route("shop", "r", parent("shop", "cart"), rules)]);
        let paths: Vec<_> = found.routes.iter().map(|it| it.matches.path.clone()).collect();
        assert_eq!(paths, [PathMatch::Exact("/b".into())]);
    }
}

#[test]
fn a_route_of_which_nothing_is_carried_out_is_as_if_it_were_not_there() {
    let rules = json!([{"matches": [{"path": {"type": "RegularExpression", "value": "/"}}]}]);
    let dropped = route("client", "r", parent("shop", "cart"), rules);
    let found = cart("client", [dropped, split("shop", "p", &[("cart", 1)])]);
    assert_eq!(&*found.routes[0].name, "shop/p");
}

#[test]
fn of_several_headers_with_one_name_the_first_counts() {
    let rules = json!([{
        "matches": [{"headers": [
            {"name": "X-User", "value": "1"}, {"name": "x-user", "value": "2"},
        ]}],
        "backendRefs": backends(&[("cart", 1)]),
    }]);
    let found = cart("shop", [route("shop", "r", parent("shop", "cart"), rules)]);
    let [header] = &found.routes[0].matches.headers[..] else { panic!("{found:?}") };
    assert_eq!((&*header.name, &*header.value), ("x-user", "1"));
}

#[test]
fn a_backend_that_appears_later_is_found() {
    let mut scene = scene().with([split("shop", "r", &[("late", 1)])]);
    assert_eq!(targets(&scene.service("shop", "cart.shop:80").routes[0]), [(None, 1)]);
    scene.apply(service("late", "10.96.0.9"));
    let found = scene.service("shop", "cart.shop:80");
    assert_eq!(targets(&found.routes[0]), [(Some("late.shop:80".to_owned()), 1)]);
}
