//! What is kept of a status, and what is replaced.

use std::sync::Arc;

use cluster::watch::ObjectName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    compile::gateway_api::verdicts,
    index::for_tests::{Scene, parent, route, service},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The entry of a route on `cart` whose status is `status`; its backend is there if `resolved`.
fn entry(status: Value, resolved: bool) -> Entry {
    let backend = if resolved { "cart" } else { "none" };
    let rules = json!([{"backendRefs": [{"name": backend, "port": 80}]}]);
    let mut object = route("shop", "r", parent("shop", "cart"), rules);
    object["status"] = status;
    let scene = Scene::new().with([service("cart", "10.96.0.1"), object]);
    let name = ObjectName::new("shop", "r");
    let route = Arc::clone(scene.world.routes.get(&name).unwrap());
    let verdicts = verdicts(&scene.world, &name, &route);
    Entry { route, verdicts }
}

fn with_status(status: &HttpRouteStatus, resolved: bool) -> Entry {
    entry(serde_json::to_value(status).unwrap(), resolved)
}

fn times(status: &HttpRouteStatus) -> Vec<(String, i64)> {
    let ours = status.parents.iter().filter(|it| it.controller_name == CONTROLLER_NAME);
    let conditions = ours.flat_map(|parent| &parent.conditions);
    conditions.map(|it| (it.type_.clone(), it.last_transition_time.0.as_second())).collect()
}

#[test]
fn what_is_said_is_said_once() {
    let first = next(&entry(json!({}), true), at(1)).unwrap();
    assert_eq!(first.parents.len(), 1);
    assert_eq!(first.parents[0].conditions[0].observed_generation, Some(3));
    assert_eq!(next(&with_status(&first, true), at(2)), None);
}

#[test]
fn a_condition_that_does_not_turn_keeps_its_time() {
    let first = next(&entry(json!({}), true), at(1)).unwrap();
    let second = next(&with_status(&first, false), at(2)).unwrap();
    assert_eq!(times(&second), [("Accepted".to_owned(), 1), ("ResolvedRefs".to_owned(), 2)]);
}

#[test]
fn entries_of_other_controllers_are_theirs() {
    let theirs = json!({"parents": [{
        "parentRef": {"group": "", "kind": "Service", "name": "cart"},
        "controllerName": "example.com/other",
        "conditions": [{
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-11-20T10:00:00Z",
        }],
    }]});
    let status = next(&entry(theirs.clone(), true), at(1)).unwrap();
    assert_eq!(status.parents.len(), 2);
    assert_eq!(serde_json::to_value(&status.parents[0]).unwrap(), theirs["parents"][0]);
}

#[test]
fn a_status_that_cannot_be_read_is_left_as_it_is() {
    assert_eq!(next(&entry(json!({"parents": [{"conditions": 7}]}), true), at(1)), None);
}

#[test]
fn a_parent_that_the_route_gave_up_is_not_spoken_of_any_more() {
    let first = next(&entry(json!({}), true), at(1)).unwrap();
    let mut given_up = with_status(&first, true);
    given_up.verdicts.clear();
    assert_eq!(next(&given_up, at(2)).unwrap().parents, []);
}

proptest! {
    #[test]
    fn once_written_nothing_is_left_to_write(turns in proptest::collection::vec(any::<bool>(), 1..6)) {
        let mut status = HttpRouteStatus::default();
        for (second, resolved) in (1..).zip(turns) {
            let entry = with_status(&status, resolved);
            if let Some(written) = next(&entry, at(second)) {
                status = written;
            }
            prop_assert_eq!(next(&with_status(&status, resolved), at(second + 1)), None);
        }
    }
}
