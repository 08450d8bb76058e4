//! What messages of the operator change.

use super::*;

fn decision(name: &str, number: u64) -> Decision {
    let rollout = RolloutId::new("shop", name);
    Decision { rollout, number, services: Vec::new(), split: None }
}

fn message(decisions: &[Decision]) -> ToReplica {
    ToReplica { decisions: decisions.to_vec(), unreadable: Vec::new() }
}

#[test]
fn the_whole_set_replaces_what_was_known() {
    let held = [decision("cart", 1), decision("web", 1)];
    let next = merge(&held, message(&[decision("web", 2)]));
    assert_eq!(next, Some(vec![decision("web", 2)]));
}

#[test]
fn the_same_set_again_changes_nothing() {
    let held = [decision("cart", 1), decision("web", 1)];
    assert_eq!(merge(&held, message(&[decision("web", 1), decision("cart", 1)])), None);
}

#[test]
fn a_lower_number_never_replaces_a_higher_one() {
    assert_eq!(merge(&[decision("web", 7)], message(&[decision("web", 6)])), None);
}

#[test]
fn what_could_not_be_read_stays_as_it_was() {
    let held = [decision("web", 7)];
    let unreadable = vec![RolloutId::new("shop", "web")];
    assert_eq!(merge(&held, ToReplica { decisions: Vec::new(), unreadable }), None);
}
