//! What proxies are told, and when.

use std::{sync::Arc, time::Duration};

use model::{
    decision::RolloutId,
    endpoint::{Endpoint, Endpoints},
    key::{Key, Version},
    resource::Resource,
    revision::Revision,
    service::{Backend, Protocol, Service, ServiceId, Share, Split},
    weight::Weight,
};
use wire::{
    message::{FromControl, Held, Nack, Settings, ToControl},
    version_of,
};

use crate::world::World;

pub(crate) fn web() -> ServiceId {
    ServiceId::new("web.shop.svc.cluster.local", 80)
}

pub(crate) fn service(decision: Option<u64>) -> Resource {
    let split = decision.map(|decision| Split {
        rollout: RolloutId::new("shop", "web"),
        decision,
        canary: Revision::new("abc").unwrap(),
        share: Share::Weighted(Weight::NONE),
    });
    let (name, namespace): (Arc<str>, Arc<str>) = ("web".into(), "shop".into());
    let backend = Backend {
        name: Arc::clone(&name),
        namespace: Arc::clone(&namespace),
        split,
        connect_timeout: Duration::from_secs(1),
    };
    Resource::Service(Arc::new(Service {
        id: web(),
        name,
        namespace,
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: [(web(), backend)].into_iter().collect(),
    }))
}

fn endpoints(addresses: &[&str]) -> Resource {
    let endpoints =
        addresses.iter().map(|address| Endpoint::plain(address.parse().unwrap())).collect();
    Resource::Endpoints(Arc::new(Endpoints { id: web(), endpoints }))
}

#[tokio::test]
async fn a_change_is_pushed_to_who_asked_and_acked() {
    let world = World::new().await;
    let key = Key::Endpoints(web());
    let (one, two) = (endpoints(&["10.0.0.1:80"]), endpoints(&["10.0.0.1:80", "10.0.0.2:80"]));
    world.change(|cluster| drop(cluster.insert(key.clone(), one.clone())));
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(key.clone())).await;
    let push = proxy.push().await;
    assert_eq!((&push.key, &push.body), (&key, &one));
    proxy.ack(&push).await;
    world.change(|cluster| drop(cluster.insert(key.clone(), two.clone())));
    let push = proxy.push().await;
    assert_eq!((push.version, push.body), (version_of(&two).0, two));
}

#[tokio::test]
async fn what_does_not_exist_yet_is_pushed_when_it_is_created_and_gone_when_deleted() {
    let world = World::new().await;
    let key = Key::Service(web());
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(key.clone())).await;
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(key.clone()));
    world.change(|cluster| drop(cluster.insert(key.clone(), service(None))));
    assert_eq!(proxy.push().await.body, service(None));
    world.change(|cluster| drop(cluster.remove(&key)));
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(key));
}

#[tokio::test]
async fn a_version_that_was_refused_is_not_sent_again_but_the_next_one_is() {
    let world = World::new().await;
    let key = Key::Endpoints(web());
    world.change(|cluster| drop(cluster.insert(key.clone(), endpoints(&["10.0.0.1:80"]))));
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(key.clone())).await;
    let version = proxy.push().await.version;
    let nack = Nack { key: key.clone(), version, reason: "cannot".into() };
    proxy.say.send(ToControl::Nack(nack)).await.unwrap();
    // Equal content made anew, as by a compiler that starts over; then something else.
    world.change(|cluster| drop(cluster.insert(key.clone(), endpoints(&["10.0.0.1:80"]))));
    proxy.subscribe(Held::nothing(Key::Mesh)).await;
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(Key::Mesh));
    let next = endpoints(&["10.0.0.2:80"]);
    world.change(|cluster| drop(cluster.insert(key.clone(), next.clone())));
    assert_eq!(proxy.push().await.body, next);
}

#[tokio::test]
async fn what_goes_to_two_proxies_is_encoded_once() {
    let world = World::new().await;
    let key = Key::Endpoints(web());
    world.change(|cluster| drop(cluster.insert(key.clone(), endpoints(&["10.0.0.1:80"]))));
    for pod in ["web-1", "web-2", "web-3"] {
        let mut proxy = world.proxy(pod).await;
        proxy.subscribe(Held::nothing(key.clone())).await;
        proxy.push().await;
    }
    assert_eq!(world.metric("serin_control_resources_encoded_total"), 1);
}

#[tokio::test]
async fn a_proxy_that_comes_from_another_replica_is_not_sent_what_it_holds() {
    let world = World::new().await;
    let key = Key::Endpoints(web());
    let held = endpoints(&["10.0.0.1:80"]);
    world.change(|cluster| drop(cluster.insert(key.clone(), held.clone())));
    let other = world.beside().await;
    let mut proxy = other.proxy("web-1").await;
    let version = version_of(&held).0;
    proxy.subscribe(Held::resource(key.clone(), version, &held)).await;
    // The answer to a second key shows that the first has been dealt with.
    proxy.subscribe(Held::nothing(Key::Mesh)).await;
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(Key::Mesh));
    let next = endpoints(&["10.0.0.2:80"]);
    other.change(|cluster| drop(cluster.insert(key.clone(), next.clone())));
    assert_eq!(proxy.push().await.body, next);
}

#[tokio::test]
async fn a_replica_that_is_behind_pushes_nothing_until_it_has_caught_up() {
    let world = World::new().await;
    let key = Key::Service(web());
    world.change(|cluster| drop(cluster.insert(key.clone(), service(Some(6)))));
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::resource(key.clone(), Version(1), &service(Some(7)))).await;
    proxy.subscribe(Held::nothing(Key::Mesh)).await;
    assert_eq!(proxy.hear().await.unwrap(), FromControl::Absent(Key::Mesh));
    assert_eq!(world.metric("serin_control_pushes_held_back_total"), 1);
    world.change(|cluster| drop(cluster.insert(key.clone(), service(Some(8)))));
    assert_eq!(proxy.push().await.decision, 8);
}

#[tokio::test]
async fn a_proxy_that_calls_a_service_under_a_rollout_reports_often() {
    let world = World::new().await;
    let key = Key::Service(web());
    world.change(|cluster| drop(cluster.insert(key.clone(), service(None))));
    let mut proxy = world.proxy("web-1").await;
    let issuer = world.issuer();
    let interval = |millis| {
        let report_interval = Duration::from_millis(millis);
        FromControl::Settings(Settings { report_interval, issuer })
    };
    assert_eq!(proxy.hear_anything().await.unwrap(), interval(2000));
    proxy.subscribe(Held::nothing(key.clone())).await;
    proxy.push().await;
    world.change(|cluster| drop(cluster.insert(key.clone(), service(Some(1)))));
    assert_eq!(proxy.hear_anything().await.unwrap(), interval(250));
}

#[tokio::test]
async fn proxies_hear_of_a_new_issuer_as_soon_as_there_is_one() {
    let world = World::new().await;
    let mut proxy = world.proxy("web-1").await;
    let told = |message| match message {
        FromControl::Settings(settings) => settings.issuer,
        other => panic!("{other:?} instead of settings"),
    };
    assert_eq!(told(proxy.hear_anything().await.unwrap()), world.issuer());
    let secret = crate::authority::Root::new().secret(2);
    let authority = Arc::new(control::ca::Authority::read(&secret).unwrap());
    let next = Some(authority.issuer.fingerprint());
    world.authorities.send_replace(Some(authority));
    assert_eq!(told(proxy.hear_anything().await.unwrap()), next);
}

#[tokio::test]
async fn the_trust_bundle_comes_from_the_authority() {
    let world = World::new().await;
    let mut proxy = world.proxy("web-1").await;
    proxy.subscribe(Held::nothing(Key::Trust)).await;
    assert_eq!(proxy.push().await.decision, 1);
    let other = crate::authority::Root::new();
    let secret = world.root.secret_trusting(2, &[&world.root, &other]);
    let authority = control::ca::Authority::read(&secret).unwrap();
    world.authorities.send_replace(Some(Arc::new(authority)));
    let push = proxy.push().await;
    let Resource::Trust(trust) = push.body else { panic!() };
    assert_eq!((trust.decision, trust.anchors.len()), (2, 2));
}
