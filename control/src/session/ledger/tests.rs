//! What a proxy is sent, by what it held, said and missed.

use std::time::Duration;

use model::{
    endpoint::Endpoints,
    revision::Revision,
    service::{Backend, Protocol, Service, ServiceId, Share, Split},
    trust::{Anchor, Trust},
    weight::Weight,
};
use prometheus_client::metrics::counter::Counter;
use proptest::{collection::vec, prelude::proptest};
use wire::version_of;

use super::*;
use crate::session::body::Most;

struct Desk {
    ledger: Ledger,
    bodies: Bodies,
}

impl Desk {
    fn new() -> Self {
        Self { ledger: Ledger::default(), bodies: Bodies::new(Most::default(), Counter::default()) }
    }

    fn subscribe(&mut self, held: Held) {
        assert!(self.ledger.subscribe(held));
    }

    fn offer(&mut self, key: &Key, resource: Option<Resource>) -> Offer {
        self.ledger.offer(key, resource, &self.bodies)
    }

    /// What goes out now: keys with the decision of what is pushed, or nothing for an absence.
    fn drain(&mut self) -> Vec<(Key, Option<u64>)> {
        let message = |message| match message {
            FromControl::Push(push) => (push.key, Some(push.decision)),
            FromControl::Absent(key) => (key, None),
            FromControl::Settings(_) => panic!("a setting out of the ledger"),
        };
        std::iter::from_fn(|| self.ledger.pop()).map(message).collect()
    }

    fn ack(&mut self, key: &Key, resource: &Resource) {
        let (version, decision) = (version_of(resource).0, resource.decision());
        self.ledger.ack(&Ack { key: key.clone(), version, decision });
    }

    fn nack(&mut self, key: &Key, resource: &Resource) {
        let (version, reason) = (version_of(resource).0, String::new());
        self.ledger.nack(&Nack { key: key.clone(), version, reason });
    }
}

fn id() -> ServiceId {
    ServiceId::new("web", 80)
}

fn key() -> Key {
    Key::Service(id())
}

fn service(splits: &[(&str, u64)]) -> Resource {
    let backend = |(rollout, decision): &(&str, u64)| {
        let split = Split {
            rollout: RolloutId::new("shop", rollout),
            decision: *decision,
            canary: Revision::new("abc").unwrap(),
            share: Share::Weighted(Weight::NONE),
        };
        let (name, connect_timeout) = ((*rollout).into(), Duration::from_secs(1));
        let id = ServiceId::new(rollout, 80);
        (id, Backend { name, namespace: "shop".into(), split: Some(split), connect_timeout })
    };
    Resource::Service(Arc::new(Service {
        id: id(),
        name: "web".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: splits.iter().map(backend).collect(),
    }))
}

fn web(decision: u64) -> Resource {
    service(&[("web", decision)])
}

fn trust(decision: u64) -> Resource {
    let anchors = vec![Anchor(vec![1])];
    Resource::Trust(Arc::new(Trust { decision, anchors }))
}

#[test]
fn a_slow_proxy_gets_only_the_newest() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(key()));
    for decision in 1..=5 {
        desk.offer(&key(), Some(web(decision)));
    }
    assert_eq!(desk.drain(), [(key(), Some(5))]);
    assert_eq!(desk.drain(), []);
}

#[test]
fn what_changed_and_changed_back_is_not_sent() {
    let mut desk = Desk::new();
    let (one, other) = (web(1), service(&[("cart", 1)]));
    desk.subscribe(Held::nothing(key()));
    desk.offer(&key(), Some(one.clone()));
    desk.drain();
    desk.offer(&key(), Some(other));
    desk.offer(&key(), Some(one));
    assert_eq!(desk.drain(), []);
}

#[test]
fn what_is_held_already_counts_as_used() {
    let mut desk = Desk::new();
    let held = web(4);
    desk.subscribe(Held::resource(key(), version_of(&held).0, &held));
    assert_eq!(desk.offer(&key(), Some(held)), Offer::Known);
    let summary = desk.ledger.summary();
    assert_eq!((summary.subscribed, summary.acked), (1, 1));
    assert_eq!(summary.decisions.first().map(|held| held.acked), Some(4));
}

#[test]
fn a_key_that_was_held_and_is_gone_is_said_to_be_absent() {
    let mut desk = Desk::new();
    let held = web(4);
    desk.subscribe(Held::resource(key(), version_of(&held).0, &held));
    desk.offer(&key(), None);
    assert_eq!(desk.drain(), [(key(), None)]);
    assert_eq!(desk.ledger.summary().acked, 1);
}

#[test]
fn a_decision_never_goes_back() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(key()));
    desk.offer(&key(), Some(web(7)));
    desk.drain();
    assert_eq!(desk.offer(&key(), Some(web(6))), Offer::Behind);
    assert_eq!(desk.drain(), []);
    desk.offer(&key(), Some(web(8)));
    assert_eq!(desk.drain(), [(key(), Some(8))]);
}

#[test]
fn a_bundle_never_goes_back() {
    let mut desk = Desk::new();
    let held = trust(3);
    desk.subscribe(Held::resource(Key::Trust, version_of(&held).0, &held));
    assert_eq!(desk.offer(&Key::Trust, Some(trust(2))), Offer::Behind);
    assert_eq!(desk.offer(&Key::Trust, Some(trust(4))), Offer::Queued);
}

#[test]
fn a_rollout_that_is_over_holds_back_nothing() {
    let mut desk = Desk::new();
    let both = service(&[("cart", 50), ("web", 3)]);
    desk.subscribe(Held::resource(key(), version_of(&both).0, &both));
    assert_eq!(desk.offer(&key(), Some(web(4))), Offer::Queued);
    assert_eq!(desk.drain(), [(key(), Some(4))]);
    assert_eq!(desk.offer(&key(), Some(service(&[]))), Offer::Queued);
}

#[test]
fn a_proxy_that_names_no_rollouts_is_judged_by_its_one_number() {
    let mut desk = Desk::new();
    let (version, rollouts) = (Some(Version(9)), Vec::new());
    desk.subscribe(Held { key: key(), version, decision: 7, rollouts });
    assert_eq!(desk.offer(&key(), Some(web(6))), Offer::Behind);
    assert_eq!(desk.offer(&key(), Some(web(7))), Offer::Queued);
}

#[test]
fn what_was_refused_is_not_sent_again_and_the_one_before_it_may_be() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(key()));
    desk.offer(&key(), Some(web(1)));
    desk.drain();
    desk.ack(&key(), &web(1));
    desk.offer(&key(), Some(web(2)));
    desk.drain();
    desk.nack(&key(), &web(2));
    desk.offer(&key(), Some(web(2)));
    assert_eq!(desk.drain(), []);
    assert_eq!(desk.ledger.summary().acked, 0);
    desk.offer(&key(), Some(web(1)));
    assert_eq!(desk.drain(), [(key(), Some(1))]);
}

#[test]
fn an_ack_of_what_was_superseded_proves_nothing() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(key()));
    desk.offer(&key(), Some(web(1)));
    desk.drain();
    desk.offer(&key(), Some(web(2)));
    desk.ack(&key(), &web(1));
    let summary = desk.ledger.summary();
    assert_eq!((summary.acked, summary.stale), (0, vec![key()]));
    assert_eq!(summary.decisions.first().map(|held| held.acked), Some(0));
}

#[test]
fn a_rollout_is_followed_when_every_service_of_it_is() {
    let mut desk = Desk::new();
    let other = Key::Service(ServiceId::new("web-admin", 80));
    for key in [key(), other.clone()] {
        desk.subscribe(Held::nothing(key.clone()));
        desk.offer(&key, Some(web(5)));
    }
    desk.drain();
    desk.ack(&key(), &web(5));
    let acked = |desk: &Desk| desk.ledger.summary().decisions.first().map(|held| held.acked);
    assert_eq!(acked(&desk), Some(0));
    desk.ack(&other, &web(5));
    assert_eq!(acked(&desk), Some(5));
}

#[test]
fn an_acked_bundle_is_known_by_its_fingerprint() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(Key::Trust));
    desk.offer(&Key::Trust, Some(trust(1)));
    desk.drain();
    assert_eq!(desk.ledger.summary().trust, None);
    desk.ack(&Key::Trust, &trust(1));
    let Resource::Trust(bundle) = trust(1) else { panic!() };
    assert_eq!(desk.ledger.summary().trust, Some(bundle.fingerprint()));
    desk.offer(&Key::Trust, Some(trust(2)));
    assert_eq!(desk.ledger.summary().trust, Some(bundle.fingerprint()));
}

#[test]
fn decisions_go_before_everything_else_that_waits() {
    let mut desk = Desk::new();
    let endpoints = Key::Endpoints(id());
    let list = Resource::Endpoints(Arc::new(Endpoints { id: id(), endpoints: Vec::new() }));
    desk.subscribe(Held::nothing(endpoints.clone()));
    desk.subscribe(Held::nothing(key()));
    desk.offer(&endpoints, Some(list));
    desk.offer(&key(), Some(web(2)));
    assert_eq!(desk.drain(), [(key(), Some(2)), (endpoints, Some(0))]);
}

#[test]
fn what_is_no_longer_asked_for_is_not_sent() {
    let mut desk = Desk::new();
    desk.subscribe(Held::nothing(key()));
    desk.offer(&key(), Some(web(1)));
    desk.ledger.unsubscribe(&key());
    assert_eq!(desk.drain(), []);
    assert_eq!(desk.ledger.summary(), Summary::default());
}

#[test]
fn there_is_a_bound_on_keys() {
    let mut desk = Desk::new();
    for port in 1..=4096 {
        desk.subscribe(Held::nothing(Key::Service(ServiceId::new("web", port))));
    }
    assert!(!desk.ledger.subscribe(Held::nothing(Key::Mesh)));
    let known = Held::nothing(Key::Service(ServiceId::new("web", 1)));
    assert!(desk.ledger.subscribe(known));
}

proptest! {
    /// Whatever changes in whatever order, and however rarely the connection takes something: what
    /// a proxy was told last is what there was last, and no decision ever went back.
    #[test]
    fn a_proxy_ends_with_the_newest_and_never_goes_back(
        steps in vec((0..3_u8, 0..4_u64, proptest::bool::ANY), 1..60),
    ) {
        let mut desk = Desk::new();
        desk.subscribe(Held::nothing(key()));
        let (mut number, mut told, mut last) = (1, Vec::new(), None);
        for (what, rise, room) in steps {
            number += rise;
            last = match what {
                0 => None,
                1 => Some(web(number)),
                _ => Some(service(&[("cart", number), ("web", number)])),
            };
            desk.offer(&key(), last.clone());
            if room {
                told.extend(desk.drain());
            }
        }
        told.extend(desk.drain());
        let decisions: Vec<u64> = told.iter().filter_map(|(_, decision)| *decision).collect();
        assert!(decisions.is_sorted(), "{decisions:?}");
        let newest = told.last().map(|(_, decision)| *decision);
        assert_eq!(newest, Some(last.map(|resource| resource.decision())));
    }
}
