use cluster::watch::Change;

use super::*;
use crate::world::{NamespaceFacts, PodFacts};

const RULE: Rule<'static> = Rule { own: "serin-system", honour_istio_labels: false };

fn world(namespaces: &[(&str, &str, bool)], bundles: &[(&str, &str, &str)]) -> World {
    let mut world = World::default();
    for (name, injection, leaving) in namespaces {
        let labels = [("serin.dev/injection".to_owned(), (*injection).to_owned())].into();
        let facts = NamespaceFacts { labels, leaving: *leaving };
        world.namespaces.apply(Change::Applied(ObjectName::new("", name), facts));
    }
    for (namespace, pem, owner) in bundles {
        let owner = Some((*owner).to_owned()).filter(|owner| !owner.is_empty());
        let pem = Some((*pem).to_owned());
        let facts = BundleFacts { uid: "b".to_owned(), pem, owner };
        let name = ObjectName::new(namespace, names::TRUST_CONFIG_MAP);
        world.bundles.apply(Change::Applied(name, facts));
    }
    world
}

fn check(world: &World, apply: &[&str], delete: &[&str]) {
    let plan = plan(world, RULE, "mesh", "new");
    assert_eq!(plan.apply, apply);
    let deleted: Vec<_> = plan.delete.iter().map(|(namespace, _)| namespace.as_str()).collect();
    assert_eq!(deleted, delete);
}

#[test]
fn labelled_namespaces_get_the_bundle_and_the_others_lose_it() {
    let namespaces = [("a", "enabled", false), ("b", "disabled", false), ("c", "required", false)];
    check(&world(&namespaces, &[]), &["a", "c"], &[]);
    check(&world(&namespaces, &[("a", "new", "mesh"), ("b", "new", "mesh")]), &["c"], &["b"]);
}

#[test]
fn another_bundle_is_replaced_and_a_strangers_object_is_left_where_it_is_not_needed() {
    let namespaces = [("a", "enabled", false), ("b", "disabled", false)];
    check(&world(&namespaces, &[("a", "old", "mesh")]), &["a"], &[]);
    check(&world(&namespaces, &[("a", "new", "former")]), &["a"], &[]);
    check(&world(&namespaces, &[("a", "new", "mesh"), ("b", "x", "")]), &[], &[]);
}

#[test]
fn nothing_is_written_into_a_namespace_that_is_leaving() {
    check(&world(&[("a", "enabled", true)], &[]), &[], &[]);
}

#[test]
fn a_pod_with_a_proxy_keeps_the_bundle_in_its_namespace() {
    let mut world = world(&[("b", "disabled", false)], &[("b", "new", "mesh")]);
    let pod = PodFacts { meshed: true, ..PodFacts::default() };
    world.pods.apply(Change::Applied(ObjectName::new("b", "p"), pod));
    check(&world, &[], &[]);
}
