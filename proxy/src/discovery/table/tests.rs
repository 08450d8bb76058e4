//! Claims about subscriptions, with events in and effects out.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{
    endpoint::{Endpoint, Endpoints},
    mesh::Mesh,
    resource::Destination,
    revision::Revision,
    service::{Backend, Protocol, Service, ServiceId, Share, Split},
    trust::{Anchor, Trust},
    weight::Weight,
};
use tokio::sync::oneshot::error::TryRecvError;

use super::*;

fn id(name: &str) -> ServiceId {
    ServiceId::new(&format!("{name}.shop.svc.cluster.local"), 80)
}

fn service(name: &str) -> Key {
    Key::Service(id(name))
}

fn endpoints(name: &str) -> Key {
    Key::Endpoints(id(name))
}

fn address(last: u8) -> Key {
    Key::Address(SocketAddr::from(([10, 96, 0, last], 80)))
}

fn split(rollout: &str, decision: u64) -> Split {
    Split {
        rollout: RolloutId::new("shop", rollout),
        decision,
        canary: Revision::new("canary").unwrap(),
        share: Share::Weighted(Weight::NONE),
    }
}

/// A service with one backend of each name, itself first, and a split each where one is given.
fn service_of(backends: &[(&str, Option<Split>)]) -> Resource {
    let backend = |(name, split): &(&str, Option<Split>)| {
        let connect_timeout = Duration::from_secs(1);
        let (name, split) = (id(name), split.clone());
        (name, Backend { name: "x".into(), namespace: "shop".into(), split, connect_timeout })
    };
    Resource::Service(Arc::new(Service {
        id: id(backends[0].0),
        name: "x".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: backends.iter().map(backend).collect(),
    }))
}

fn endpoints_of(name: &str) -> Resource {
    let endpoints = vec![Endpoint::plain(SocketAddr::from(([10, 0, 0, 1], 8080)))];
    Resource::Endpoints(Arc::new(Endpoints { id: id(name), endpoints }))
}

fn trust(decision: u64) -> Resource {
    let byte = u8::try_from(decision).unwrap();
    Resource::Trust(Arc::new(Trust { decision, anchors: vec![Anchor(vec![byte])] }))
}

fn push(key: Key, version: u64, body: Resource) -> Push {
    Push { key, version: Version(version), decision: body.decision(), body }
}

fn connected() -> Table {
    let mut table = Table::new();
    table.connected();
    table.effects();
    table
}

fn ask(table: &mut Table, key: &Key) -> oneshot::Receiver<Answer> {
    let (asked, answer) = oneshot::channel();
    table.look_up(key, asked);
    answer
}

/// Lets the table's answers out to those who wait.
fn settle(table: &mut Table) -> (Vec<(Key, Option<Answer>)>, Vec<ToControl>) {
    let Effects { publish, send, answer } = table.effects();
    for (waiting, answer) in answer {
        drop(waiting.send(answer));
    }
    (publish, send)
}

fn ack(key: Key, version: u64, decision: u64) -> ToControl {
    ToControl::Ack(Ack { key, version: Version(version), decision })
}

fn subscribe(key: Key) -> ToControl {
    ToControl::Subscribe(vec![Held::nothing(key)])
}

fn nacked(send: &[ToControl]) -> Vec<(Key, Version)> {
    let nack = |message: &ToControl| match message {
        ToControl::Nack(nack) => Some((nack.key.clone(), nack.version)),
        _ => None,
    };
    send.iter().filter_map(nack).collect()
}

#[test]
fn what_every_proxy_needs_is_asked_for_first() {
    let mut table = Table::new();
    table.connected();
    let (_, send) = settle(&mut table);
    let held = [Key::Inbound, Key::Trust, Key::Mesh].map(Held::nothing).to_vec();
    assert_eq!(send, [ToControl::Subscribe(held)]);
}

#[test]
fn all_who_ask_for_a_key_share_one_question() {
    let mut table = connected();
    let (mut one, mut two) = (ask(&mut table, &address(1)), ask(&mut table, &address(1)));
    let (_, send) = settle(&mut table);
    assert_eq!(send, [subscribe(address(1))]);
    let found = Resource::Destination(Destination::Workload);
    table.pushed(push(address(1), 7, found.clone()));
    let (publish, send) = settle(&mut table);
    assert_eq!(publish, [(address(1), Some(Answer::Found(found.clone())))]);
    assert_eq!(send, [ack(address(1), 7, 0)]);
    assert_eq!(one.try_recv(), Ok(Answer::Found(found.clone())));
    assert_eq!(two.try_recv(), Ok(Answer::Found(found)));
}

#[test]
fn what_was_absent_is_used_when_it_is_created() {
    let mut table = connected();
    let mut first = ask(&mut table, &address(1));
    table.absent(&address(1));
    settle(&mut table);
    assert_eq!(first.try_recv(), Ok(Answer::Absent));
    let found = Resource::Destination(Destination::Service(id("new")));
    table.pushed(push(address(1), 1, found.clone()));
    let (publish, _) = settle(&mut table);
    assert_eq!(publish, [(address(1), Some(Answer::Found(found)))]);
}

#[test]
fn a_service_is_used_only_with_all_endpoints_that_it_names() {
    let mut table = connected();
    let mut asked = ask(&mut table, &service("a"));
    settle(&mut table);
    table.pushed(push(service("a"), 1, service_of(&[("a", None), ("b", None)])));
    let (publish, send) = settle(&mut table);
    assert_eq!(publish, []);
    assert_eq!(send, [subscribe(endpoints("a")), subscribe(endpoints("b"))]);
    table.pushed(push(endpoints("a"), 2, endpoints_of("a")));
    let (publish, send) = settle(&mut table);
    assert_eq!(publish.len(), 1, "the endpoints alone");
    assert_eq!(send, [ack(endpoints("a"), 2, 0)]);
    assert_eq!(asked.try_recv(), Err(TryRecvError::Empty));
    // That there are none is an answer too.
    table.absent(&endpoints("b"));
    let (publish, send) = settle(&mut table);
    let published: Vec<_> = publish.into_iter().map(|(key, _)| key).collect();
    assert_eq!(published, [endpoints("b"), service("a")]);
    assert_eq!(send, [ack(service("a"), 1, 0)]);
    assert!(matches!(asked.try_recv(), Ok(Answer::Found(_))));
}

#[test]
fn the_old_service_is_used_until_the_new_ones_endpoints_are_held() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    table.pushed(push(service("a"), 1, service_of(&[("a", None)])));
    table.pushed(push(endpoints("a"), 2, endpoints_of("a")));
    settle(&mut table);
    table.pushed(push(service("a"), 3, service_of(&[("a", None), ("c", None)])));
    let (publish, _) = settle(&mut table);
    assert_eq!(publish, []);
    let held = table.lines().into_iter().find(|line| line.key == service("a")).unwrap();
    assert_eq!((held.version, held.staged), (Some(Version(1)), Some(Version(3))));
    assert_eq!(held.waits_for, [endpoints("c")]);
    table.pushed(push(endpoints("c"), 4, endpoints_of("c")));
    let (_, send) = settle(&mut table);
    assert_eq!(send, [ack(endpoints("c"), 4, 0), ack(service("a"), 3, 0)]);
}

#[test]
fn trust_never_goes_back() {
    let mut table = connected();
    table.pushed(push(Key::Trust, 1, trust(5)));
    settle(&mut table);
    table.pushed(push(Key::Trust, 2, trust(4)));
    let (publish, send) = settle(&mut table);
    assert_eq!(publish, []);
    assert_eq!(nacked(&send), [(Key::Trust, Version(2))]);
    let shown = |table: &Table| table.lines().into_iter().find(|it| it.key == Key::Trust).unwrap();
    let held = shown(&table);
    assert_eq!((held.version, held.decision), (Some(Version(1)), 5));
    assert!(held.objection.unwrap().contains("goes back behind decision 5"));
    table.pushed(push(Key::Trust, 3, trust(6)));
    let (_, send) = settle(&mut table);
    assert_eq!(send, [ack(Key::Trust, 3, 6)]);
    assert_eq!((shown(&table).decision, shown(&table).objection), (6, None));
}

fn rollouts(table: &mut Table, version: u64, backends: &[(&str, Option<Split>)]) -> bool {
    table.pushed(push(service("a"), version, service_of(backends)));
    for (name, _) in backends {
        table.pushed(push(endpoints(name), 1, endpoints_of(name)));
    }
    let (_, send) = settle(table);
    nacked(&send).is_empty()
}

#[test]
fn a_rollout_never_goes_back_and_others_do_not_count() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    let with = |a, b| [("a", Some(split("a", a))), ("b", Some(split("b", b)))];
    assert!(rollouts(&mut table, 1, &with(3, 90)));
    assert!(!rollouts(&mut table, 2, &with(2, 91)), "a goes back behind b's higher number");
    assert!(rollouts(&mut table, 3, &with(4, 90)));
    assert!(rollouts(&mut table, 4, &[("a", Some(split("a", 4))), ("b", None)]), "b is over");
}

#[test]
fn a_rollout_that_is_over_does_not_come_back_with_an_old_number() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    assert!(rollouts(&mut table, 2, &[("a", None)]));
    assert!(!rollouts(&mut table, 3, &[("a", Some(split("a", 6)))]));
    assert!(rollouts(&mut table, 4, &[("a", Some(split("a", 8)))]));
}

#[test]
fn a_rollout_that_is_over_stays_over_however_long_control_was_cut_off() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    assert!(rollouts(&mut table, 2, &[("a", None)]));
    table.tick(1_000, |_| Some(1_000));
    settle(&mut table);
    assert!(!rollouts(&mut table, 3, &[("a", Some(split("a", 6)))]));
    // Until control knows better.
    table.tick(1_001, |_| Some(1_001));
    let (_, send) = settle(&mut table);
    let resource = service_of(&[("a", None)]);
    let held = Held::resource(service("a"), Version(2), &resource);
    assert_eq!(send, [ToControl::Subscribe(vec![held])]);
}

#[test]
fn a_rollout_of_a_key_that_was_dropped_does_not_go_back_when_it_is_asked_for_again() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    table.tick(100, |_| None);
    settle(&mut table);
    let _asked = ask(&mut table, &service("a"));
    assert!(!rollouts(&mut table, 2, &[("a", Some(split("a", 6)))]));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
}

#[test]
fn a_service_whose_first_answer_goes_back_is_reached_but_for_its_canary() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    table.tick(100, |_| None);
    settle(&mut table);
    let mut asked = ask(&mut table, &service("a"));
    let half = Share::Weighted(Weight::from_percent(50).unwrap());
    let old = |share| [("a", Some(Split { share, ..split("a", 6) }))];
    table.pushed(push(service("a"), 2, service_of(&old(half))));
    table.pushed(push(endpoints("a"), 1, endpoints_of("a")));
    let (_, send) = settle(&mut table);
    assert_eq!(nacked(&send), [(service("a"), Version(2))]);
    assert!(!send.contains(&ack(service("a"), 2, 6)));
    let used = service_of(&old(Share::Weighted(Weight::NONE)));
    assert_eq!(asked.try_recv(), Ok(Answer::Found(used)));
    // Control is asked again, and hears of no version that is not used as it is.
    table.tick(101, |_| Some(101));
    let (_, send) = settle(&mut table);
    assert_eq!(send, [subscribe(service("a"))]);
    assert!(!rollouts(&mut table, 2, &old(half)), "it is no better the second time");
    assert!(rollouts(&mut table, 3, &[("a", Some(split("a", 8)))]));
    table.tick(102, |_| Some(102));
    assert_eq!(settle(&mut table).1, []);
}

#[test]
fn what_was_refused_is_not_asked_for_again_once_control_says_what_is_held() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    assert!(!rollouts(&mut table, 2, &[("a", Some(split("a", 6)))]));
    assert!(rollouts(&mut table, 1, &[("a", Some(split("a", 7)))]));
    table.tick(1, |_| Some(1));
    assert_eq!(settle(&mut table).1, []);
}

#[test]
fn of_rollouts_that_are_over_the_latest_are_remembered() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    let names: Vec<_> = (0..=over::REMEMBERED).map(|n| n.to_string()).collect();
    let mut version = 0;
    for name in &names {
        version += 2;
        assert!(rollouts(&mut table, version, &[("a", Some(split(name, 7)))]));
        assert!(rollouts(&mut table, version + 1, &[("a", None)]));
    }
    for (name, is_forgotten) in [(&names[1], false), (&names[0], true)] {
        version += 2;
        let is_used = rollouts(&mut table, version, &[("a", Some(split(name, 6)))]);
        assert_eq!(is_used, is_forgotten, "{name}");
    }
}

#[test]
fn after_a_reconnect_control_hears_what_is_held() {
    let mut table = connected();
    let _asked = ask(&mut table, &address(1));
    table.pushed(push(Key::Trust, 9, trust(5)));
    table.disconnected();
    settle(&mut table);
    table.connected();
    let (_, send) = settle(&mut table);
    let held = vec![
        Held::nothing(address(1)),
        Held::nothing(Key::Inbound),
        Held { decision: 5, version: Some(Version(9)), ..Held::nothing(Key::Trust) },
        Held::nothing(Key::Mesh),
    ];
    assert_eq!(send, [ToControl::Subscribe(held)]);
}

#[test]
fn what_was_asked_while_control_was_away_is_asked_when_it_is_back() {
    let mut table = Table::new();
    let mut asked = ask(&mut table, &address(1));
    assert_eq!(settle(&mut table).1, []);
    table.connected();
    let (_, send) = settle(&mut table);
    assert!(matches!(&send[..], [ToControl::Subscribe(held)]
        if held.contains(&Held::nothing(address(1)))));
    table.absent(&address(1));
    settle(&mut table);
    assert_eq!(asked.try_recv(), Ok(Answer::Absent));
}

#[test]
fn what_every_proxy_needs_is_never_taken_back() {
    let mut table = connected();
    table.pushed(push(Key::Trust, 1, trust(1)));
    settle(&mut table);
    table.absent(&Key::Trust);
    assert_eq!(settle(&mut table).0, []);
}

#[test]
fn a_push_that_nobody_asked_for_is_left_alone() {
    let mut table = connected();
    table.pushed(push(address(1), 1, Resource::Destination(Destination::Workload)));
    assert_eq!(settle(&mut table), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_held_already_is_acked_again_and_not_published_again() {
    let mut table = connected();
    table.pushed(push(Key::Trust, 1, trust(1)));
    settle(&mut table);
    table.pushed(push(Key::Trust, 1, trust(1)));
    assert_eq!(settle(&mut table), (Vec::new(), vec![ack(Key::Trust, 1, 1)]));
}

#[test]
fn keys_that_nobody_uses_are_dropped_but_not_while_control_is_away() {
    let mut table = connected();
    let _asked = ask(&mut table, &address(1));
    table.absent(&address(1));
    settle(&mut table);
    table.disconnected();
    table.tick(100, |_| None);
    assert_eq!(settle(&mut table).0, []);
    table.connected();
    settle(&mut table);
    table.tick(101, |_| None);
    let (publish, send) = settle(&mut table);
    assert_eq!(publish, [(address(1), None)]);
    assert_eq!(send, [ToControl::Unsubscribe(vec![address(1)])]);
}

#[test]
fn keys_in_use_and_endpoints_of_services_in_use_are_kept() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    table.pushed(push(service("a"), 1, service_of(&[("a", None)])));
    table.pushed(push(endpoints("a"), 2, endpoints_of("a")));
    settle(&mut table);
    table.tick(100, |key| (*key == service("a")).then_some(99));
    assert_eq!(settle(&mut table), (Vec::new(), Vec::new()));
}

#[test]
fn at_the_bound_the_keys_used_least_lately_make_room() {
    let mut table = connected();
    let key = |n: usize| {
        let [.., high, low] = n.to_be_bytes();
        Key::Workload(std::net::IpAddr::from([10, 1, high, low]))
    };
    let free = limit::KEYS - ALWAYS.len();
    for n in 0..free {
        drop(ask(&mut table, &key(n)));
        table.absent(&key(n));
    }
    table.tick(1, |used| (*used != key(3)).then_some(1));
    settle(&mut table);
    let mut asked = ask(&mut table, &key(free));
    let (publish, send) = settle(&mut table);
    assert!(publish.contains(&(key(3), None)));
    assert!(send.contains(&subscribe(key(free))));
    assert_eq!(asked.try_recv(), Err(TryRecvError::Empty));
    assert!(table.len() <= limit::KEYS);
}

#[test]
fn at_the_bound_nothing_makes_room_while_control_is_away() {
    let mut table = connected();
    for n in 0..limit::KEYS - ALWAYS.len() {
        let [.., high, low] = n.to_be_bytes();
        drop(ask(&mut table, &Key::Workload(std::net::IpAddr::from([10, 1, high, low]))));
    }
    table.disconnected();
    settle(&mut table);
    let mut asked = ask(&mut table, &address(1));
    assert_eq!(settle(&mut table).0, []);
    assert_eq!(asked.try_recv(), Ok(Answer::Unavailable));
}

#[test]
fn mesh_defaults_need_no_number() {
    let mut table = connected();
    let mesh = Resource::Mesh(Arc::new(Mesh {
        trust_domain: "cluster.local".parse().unwrap(),
        cidrs: Vec::new(),
        outbound: model::mesh::OutboundPolicy::AllowAny,
        access_log: None,
        tracing: None,
    }));
    table.pushed(push(Key::Mesh, 1, mesh.clone()));
    let (publish, _) = settle(&mut table);
    assert_eq!(publish, [(Key::Mesh, Some(Answer::Found(mesh)))]);
}

#[test]
fn a_service_whose_endpoints_find_no_room_is_refused() {
    let mut table = connected();
    let _asked = ask(&mut table, &service("a"));
    let mut waiting = Vec::new();
    for n in 0..limit::KEYS - ALWAYS.len() - 1 {
        let [.., high, low] = n.to_be_bytes();
        let key = Key::Workload(std::net::IpAddr::from([10, 1, high, low]));
        // Someone waits for each, so none can make room.
        waiting.push(ask(&mut table, &key));
    }
    settle(&mut table);
    table.pushed(push(service("a"), 1, service_of(&[("a", None)])));
    let (publish, send) = settle(&mut table);
    assert_eq!(publish, []);
    assert_eq!(nacked(&send), [(service("a"), Version(1))]);
}

#[test]
fn what_is_absent_still_is_not_published_again() {
    let mut table = connected();
    let _asked = ask(&mut table, &address(1));
    table.absent(&address(1));
    settle(&mut table);
    table.absent(&address(1));
    assert_eq!(settle(&mut table), (Vec::new(), Vec::new()));
}
