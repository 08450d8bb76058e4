//! Claims about what is counted.

use super::{super::outcome::Kind, *};

const MILLI: Duration = Duration::from_millis(1);

fn answered(version: &str, failed: bool) -> Outcome {
    Outcome {
        status: Some(if failed { "500" } else { "200" }.to_owned()),
        version: Some(version.to_owned()),
        failure: failed.then(|| (Kind::Status, "500".to_owned())),
        ..Outcome::default()
    }
}

#[test]
fn every_request_is_counted_once_by_outcome_and_version() {
    let mut counts = Counts::since(1);
    counts.record(answered("v1", false), MILLI, 10);
    counts.record(answered("v2", true), MILLI, 20);
    counts.record(Outcome::unanswered(Kind::Closed, "reset".to_owned()), MILLI, 30);
    let stats = counts.stats(40);
    assert_eq!((stats.total, stats.ok, stats.failed), (3, 1, 2));
    assert_eq!((stats.since_unix_ms, stats.now_unix_ms), (1, 40));
    assert_eq!((stats.first_failure_unix_ms, stats.last_failure_unix_ms), (Some(20), Some(30)));
    assert_eq!(stats.by_status, BTreeMap::from([("200".to_owned(), 1), ("500".to_owned(), 1)]));
    assert_eq!(
        stats.by_failure,
        BTreeMap::from([("closed".to_owned(), 1), ("status".to_owned(), 1)])
    );
    assert_eq!(stats.version("v2").first_failure_unix_ms, Some(20));
    assert_eq!(stats.version("none").failed, 1);
    assert_eq!(stats.version("v9"), VersionCount::default());
}

#[test]
fn only_the_last_failures_are_remembered() {
    let mut counts = Counts::since(0);
    for time in 0..100 {
        counts.record(Outcome::unanswered(Kind::Connect, "x".repeat(9999)), MILLI, time);
    }
    let stats = counts.stats(100);
    assert_eq!(stats.failures.len(), REMEMBERED);
    assert_eq!(stats.failures.last().map(|failure| failure.unix_ms), Some(99));
    assert!(stats.failures.iter().all(|failure| failure.detail.len() == DETAIL));
}

#[test]
fn names_from_outside_cannot_fill_the_memory() {
    let mut counts = Counts::since(0);
    for version in 0..1000 {
        counts.record(answered(&version.to_string(), false), MILLI, 0);
    }
    let stats = counts.stats(0);
    assert_eq!(stats.by_version.len(), DISTINCT + 1);
    assert_eq!(stats.version("other").total, 1000 - DISTINCT as u64);
}

#[test]
fn a_second_holds_what_came_since_the_last_one() {
    let tally = Tally::default();
    tally.record(answered("v1", false), MILLI);
    tally.record(answered("v1", true), MILLI);
    let second = tally.take_second();
    assert_eq!((second.ok, second.failed), (1, 1));
    assert_eq!(second.by_version, BTreeMap::from([("v1".to_owned(), 2)]));
    assert_eq!(tally.take_second().ok, 0);
    assert_eq!(tally.stats().total, 2);
}

#[test]
fn a_reset_forgets_everything() {
    let tally = Tally::default();
    tally.record(answered("v1", true), MILLI);
    tally.reset();
    let stats = tally.stats();
    assert_eq!((stats.total, stats.first_failure_unix_ms), (0, None));
    assert!(stats.failures.is_empty() && stats.by_version.is_empty());
}
