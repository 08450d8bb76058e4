//! What the operator is told of proxies, and what becomes of its decisions.

use std::{sync::Arc, time::Duration};

use model::{
    decision::{Decision, RolloutId},
    key::Key,
    trust::Fingerprint,
};
use wire::message::{
    FromReplica, Held, HeldDecision, Leaf, ProxyState, Report, Row, ToControl, ToReplica,
};

use crate::{
    discovery::{service, web},
    world::World,
};

fn state(message: FromReplica) -> Option<ProxyState> {
    if let FromReplica::Proxy(state) = message { Some(state) } else { None }
}

fn rollout() -> RolloutId {
    RolloutId::new("shop", "web")
}

#[tokio::test]
async fn an_operator_starts_with_everything_known_and_follows() {
    let world = World::new().await;
    let _first = world.proxy("web-1").await;
    let mut operator = world.operator().await;
    let known = state(operator.hear().await).unwrap();
    assert_eq!((&*known.pod_uid, &*known.pod_name, known.epoch), ("uid-web-1", "web-1", 1));
    assert_eq!(operator.hear().await, FromReplica::Synced);
    let second = world.proxy("web-2").await;
    operator.until(|message| state(message).filter(|it| &*it.pod_uid == "uid-web-2")).await;
    drop(second);
    let gone = FromReplica::Gone("uid-web-2".into());
    operator.until(|message| (message == gone).then_some(())).await;
}

#[tokio::test]
async fn an_acked_decision_is_told_to_the_operator() {
    let world = World::new().await;
    let key = Key::Service(web());
    world.change(|cluster| drop(cluster.insert(key.clone(), service(Some(4)))));
    let mut operator = world.operator().await;
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(key)).await;
    let push = proxy.push().await;
    let waiting = |acked| vec![HeldDecision { rollout: rollout(), acked }];
    let before =
        operator.until(|message| state(message).filter(|state| !state.decisions.is_empty())).await;
    assert_eq!((before.acked, before.decisions), (0, waiting(0)));
    assert_eq!(before.stale_keys.len(), 1);
    proxy.ack(&push).await;
    let after = operator.until(|message| state(message).filter(|state| state.acked == 1)).await;
    assert_eq!((after.subscribed, after.decisions), (1, waiting(4)));
}

#[tokio::test]
async fn the_bundle_and_the_leaf_in_use_are_told_to_the_operator() {
    let world = World::new().await;
    let mut operator = world.operator().await;
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(Key::Trust)).await;
    let push = proxy.push().await;
    proxy.ack(&push).await;
    let leaf = Some(Leaf { issuer: Fingerprint([7; 32]), not_after: 99 });
    let report = Report { rows: Vec::new(), leaf };
    proxy.say.send(ToControl::Report(report)).await.unwrap();
    let model::resource::Resource::Trust(trust) = push.body else { panic!() };
    let proof = Some(trust.fingerprint());
    operator
        .until(|message| state(message).filter(|it| it.trust == proof && it.leaf == leaf))
        .await;
}

#[tokio::test]
async fn what_a_proxy_counted_is_forwarded_and_kept_for_operators_that_come_later() {
    let world = World::new().await;
    let mut operator = world.operator().await;
    let proxy = world.proxy("web-1").await;
    let row = Row {
        rollout: rollout(),
        revision: None,
        attempts: 20,
        failures: 1,
        first_failure_millis: 5,
    };
    let report = Report { rows: vec![row.clone()], leaf: None };
    proxy.say.send(ToControl::Report(report)).await.unwrap();
    let rows = |message| if let FromReplica::Rows(rows) = message { Some(rows) } else { None };
    let forwarded = operator.until(rows).await;
    assert_eq!((&*forwarded.pod_uid, forwarded.epoch), ("uid-web-1", 1));
    assert_eq!(forwarded.rows, [row]);
    assert_eq!(world.operator().await.until(rows).await, forwarded);
}

#[tokio::test]
async fn decisions_reach_whoever_compiles() {
    let mut world = World::new().await;
    let operator = world.operator().await;
    let services = vec![Arc::from("web")];
    let decision = Decision { rollout: rollout(), number: 3, services, split: None };
    let set = ToReplica { decisions: vec![decision.clone()], unreadable: Vec::new() };
    operator.say.send(set).await.unwrap();
    let decided = world.decisions.wait_for(|decisions| !decisions.is_empty());
    let decided = tokio::time::timeout(Duration::from_secs(20), decided).await.unwrap().unwrap();
    assert_eq!(**decided, [decision]);
}

#[tokio::test]
async fn an_operator_hears_a_heartbeat() {
    let world = World::new().await;
    let mut operator = world.operator().await;
    while operator.hear_anything().await != FromReplica::Heartbeat {}
}
