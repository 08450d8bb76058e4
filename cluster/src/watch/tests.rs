//! How watches ride out failures, and what mirrors say of changes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    core::Status,
    runtime::watcher::{Error, Event},
};

use super::{follow::Follow, *};

type Script = Vec<Result<Event<ConfigMap>, Error>>;

fn object(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.namespace = Some("shop".to_owned());
    object.metadata.name = Some(name.to_owned());
    object
}

fn failure(code: u16) -> Error {
    let status = Status { code, ..Status::default() };
    Error::InitialListFailed(kube::Error::Api(Box::new(status)))
}

fn list(names: &[&str]) -> Script {
    let listed = names.iter().map(|name| Ok(Event::InitApply(object(name))));
    [Ok(Event::Init)].into_iter().chain(listed).chain([Ok(Event::InitDone)]).collect()
}

fn keep(object: &ConfigMap) -> Option<&'static str> {
    object.metadata.name.as_ref().is_some_and(|name| !name.starts_with("boring")).then_some("kept")
}

/// What is said when each opening of the watch plays the next of `scripts`, and then stays silent.
async fn check(missing: Missing, scripts: Vec<Script>, expect: &[Change<&'static str>]) {
    let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
    let open = move || {
        let script = scripts.lock().unwrap().pop_front().unwrap_or_default();
        stream::iter(script).chain(stream::pending()).boxed()
    };
    let follow = Follow::new("test", Box::new(open), keep, missing, Meter::default());
    let said: Vec<_> = follow.changes().take(expect.len()).collect().await;
    assert_eq!(said, expect);
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_before_a_list_is_complete() {
    let mut script = list(&["a", "b"]);
    script.push(Ok(Event::Apply(object("c"))));
    script.push(Ok(Event::Delete(object("a"))));
    check(
        Missing::Wait,
        vec![script],
        &[
            Change::Reset(vec![(name("a"), "kept"), (name("b"), "kept")]),
            Change::Applied(name("c"), "kept"),
            Change::Deleted(name("a")),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_is_forgotten() {
    let mut script = list(&["a"]);
    script.pop();
    script.push(Err(failure(500)));
    script.extend(list(&["b"]));
    check(Missing::Wait, vec![script], &[Change::Reset(vec![(name("b"), "kept")])]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_of_no_interest_counts_as_gone() {
    let mut script = list(&["boring"]);
    script.push(Ok(Event::Apply(object("boring"))));
    check(Missing::Wait, vec![script], &[Change::Reset(vec![]), Change::Deleted(name("boring"))])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_be_missing_is_empty_until_it_appears() {
    let missing = || vec![Ok(Event::Init), Err(failure(404))];
    check(
        Missing::Empty,
        vec![missing(), missing(), list(&["a"])],
        &[Change::Reset(vec![]), Change::Reset(vec![(name("a"), "kept")])],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_must_be_there_is_waited_for() {
    let missing = vec![Ok(Event::Init), Err(failure(404))];
    check(Missing::Wait, vec![missing, list(&["a"])], &[Change::Reset(vec![(name("a"), "kept")])])
        .await;
}

#[tokio::test(start_paused = true)]
async fn no_failure_is_waited_for_longer_than_the_longest_pause() {
    let begun = tokio::time::Instant::now();
    let mut script: Script = (0..20).map(|_| Err(failure(500))).collect();
    script.extend(list(&[]));
    check(Missing::Wait, vec![script], &[Change::Reset(vec![])]).await;
    assert!(begun.elapsed() <= 20 * std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_mirror_tells_what_changed_and_nothing_else() {
    let mut mirror = Mirror::default();
    assert!(!mirror.is_complete());
    let touched = mirror.apply(Change::Reset(vec![(name("a"), 1), (name("b"), 1)]));
    assert_eq!(touched.len(), 2);
    assert!(mirror.is_complete());
    assert!(mirror.apply(Change::Applied(name("a"), 1)).is_empty());
    assert!(mirror.apply(Change::Deleted(name("z"))).is_empty());

    let touched = mirror.apply(Change::Reset(vec![(name("b"), 2), (name("c"), 1)]));
    let told: Vec<_> = touched
        .iter()
        .map(|touched| (&*touched.name.name, touched.before.as_deref(), touched.after.as_deref()))
        .collect();
    assert_eq!(
        told,
        [("a", Some(&1), None), ("b", Some(&1), Some(&2)), ("c", None, Some(&1))],
        "what is gone comes first"
    );
}

#[test]
fn a_mirror_tells_namespaces_apart() {
    let mut mirror = Mirror::default();
    for namespace in ["shop", "sho", "shop-2"] {
        mirror.apply(Change::Applied(ObjectName::new(namespace, "a"), namespace.to_owned()));
    }
    let found: Vec<_> = mirror.in_namespace("shop").map(|(_, object)| object.as_str()).collect();
    assert_eq!(found, ["shop"]);
}
