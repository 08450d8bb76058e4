//! How often something is encoded, and what is kept.

use model::{
    mesh::{Mesh, OutboundPolicy},
    resource::Destination,
};

use super::*;

fn mesh(access_log: bool) -> Resource {
    Resource::Mesh(Arc::new(Mesh {
        trust_domain: "cluster.local".parse().unwrap(),
        cidrs: Vec::new(),
        outbound: OutboundPolicy::AllowAny,
        access_log: access_log.then(model::mesh::AccessLog::default),
        tracing: None,
    }))
}

fn bodies(bodies: usize) -> (Bodies, Counter) {
    let encoded = Counter::default();
    (Bodies::new(Most { bodies, ..Most::default() }, encoded.clone()), encoded)
}

#[test]
fn a_resource_is_encoded_once_however_often_it_is_asked_for() {
    let (bodies, encoded) = bodies(4);
    let resource = mesh(true);
    let first = bodies.of(&resource).unwrap();
    assert!(Arc::ptr_eq(&first, &bodies.of(&resource).unwrap()));
    assert_eq!(encoded.get(), 1);
}

#[test]
fn many_sessions_at_once_make_one_body() {
    let (bodies, encoded) = bodies(4);
    let resource = mesh(true);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| bodies.of(&resource).unwrap());
        }
    });
    assert_eq!(encoded.get(), 1);
}

#[test]
fn what_is_asked_for_stays_and_what_is_not_goes() {
    let (bodies, encoded) = bodies(2);
    let used = mesh(true);
    for _ in 0..20 {
        bodies.of(&used).unwrap();
        bodies.of(&mesh(false)).unwrap();
    }
    assert_eq!(encoded.get(), 21);
    let generations = bodies.lock();
    assert!(generations.young.len() + generations.old.len() <= 4);
}

#[test]
fn large_bodies_fill_a_half_sooner() {
    let most = Most { bodies: 1000, bytes: 10_000 };
    let bodies = Bodies::new(most, Counter::default());
    for decision in 0..100 {
        let anchors = vec![model::trust::Anchor(vec![0; 4000])];
        let trust = model::trust::Trust { decision, anchors };
        bodies.of(&Resource::Trust(Arc::new(trust))).unwrap();
    }
    let generations = bodies.lock();
    assert!(generations.young.len() + generations.old.len() <= 6);
}

#[test]
fn equal_content_in_two_places_has_one_version() {
    let (bodies, _) = bodies(4);
    let (one, other) = (bodies.of(&mesh(true)).unwrap(), bodies.of(&mesh(true)).unwrap());
    assert_eq!(one.encoded, other.encoded);
}

#[test]
fn names_are_the_same_when_they_are_equal_and_all_else_when_it_is_one_arc() {
    let name = || Resource::Destination(Destination::Workload);
    assert!(same(&name(), &name()));
    let resource = mesh(true);
    assert!(same(&resource, &resource.clone()));
    assert!(!same(&resource, &mesh(true)));
    assert!(!same(&resource, &name()));
}

#[test]
fn what_is_too_large_to_be_sent_has_no_body() {
    let (bodies, _) = bodies(4);
    let anchors = vec![model::trust::Anchor(vec![0; 5 * 1024 * 1024])];
    let trust = Resource::Trust(Arc::new(model::trust::Trust { decision: 1, anchors }));
    assert!(bodies.of(&trust).is_none());
}
