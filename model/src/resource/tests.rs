//! What resources claim about decisions.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    revision::Revision,
    service::{Backend, Protocol, Share, Split},
    weight::Weight,
};

fn service(splits: &[(&str, u64)]) -> Resource {
    let backend = |(place, (rollout, decision)): (usize, &(&str, u64))| {
        let split = Split {
            rollout: RolloutId::new("shop", rollout),
            decision: *decision,
            canary: Revision::new("abc").unwrap(),
            share: Share::Weighted(Weight::NONE),
        };
        let (name, connect_timeout) = ("b".into(), Duration::from_secs(1));
        let id = ServiceId::new(&format!("b{place}"), 80);
        (id, Backend { name, namespace: "shop".into(), split: Some(split), connect_timeout })
    };
    Resource::Service(Arc::new(Service {
        id: ServiceId::new("web", 80),
        name: "web".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: splits.iter().enumerate().map(backend).collect(),
    }))
}

fn trust(decision: u64) -> Resource {
    Resource::Trust(Arc::new(Trust { decision, anchors: Vec::new() }))
}

#[test]
fn a_lower_number_of_the_same_rollout_falls_behind() {
    assert!(service(&[("web", 3)]).falls_behind(&service(&[("web", 4)])));
    assert!(!service(&[("web", 4)]).falls_behind(&service(&[("web", 4)])));
    assert!(!service(&[("web", 5)]).falls_behind(&service(&[("web", 4)])));
}

#[test]
fn a_rollout_that_is_over_does_not_hold_back_the_others() {
    let both = service(&[("web", 50), ("cart", 3)]);
    assert!(!service(&[("cart", 4)]).falls_behind(&both));
    assert!(service(&[("cart", 2)]).falls_behind(&both));
    assert!(!service(&[]).falls_behind(&both));
}

#[test]
fn an_older_bundle_falls_behind() {
    assert!(trust(1).falls_behind(&trust(2)));
    assert!(!trust(2).falls_behind(&trust(2)));
}

#[test]
fn the_number_of_a_rollout_is_the_highest_of_its_backends() {
    let twice = service(&[("web", 3), ("web", 7)]);
    assert_eq!(twice.rollouts(), BTreeMap::from([(RolloutId::new("shop", "web"), 7)]));
}
