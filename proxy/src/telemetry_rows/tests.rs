use std::time::{Duration, SystemTime};

use model::{decision::RolloutId, moment::Moment, revision::Revision};
use runtime::clock::Clock;

use super::{Reading, Rows};

fn at_millis(millis: u64) -> Clock {
    Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
}

fn only(rows: &Rows) -> Reading {
    let mut readings = rows.snapshot();
    assert_eq!(readings.len(), 1);
    readings.remove(0)
}

#[test]
fn attempts_and_failures_add_up() {
    let rows = Rows::new(at_millis(5));
    let rollout = RolloutId::new("shop", "catalogue");
    let canary = Revision::new("abc").unwrap();
    for ok in [true, false, true] {
        rows.record(&rollout, Some(&canary), ok);
    }
    let Reading { attempts, failures, .. } = only(&rows);
    assert_eq!((attempts, failures), (3, 1));
}

#[test]
fn the_time_of_the_first_failure_stays() {
    let clock = at_millis(1_000);
    let rows = Rows::new(clock.clone());
    let rollout = RolloutId::new("shop", "catalogue");
    rows.record(&rollout, None, true);
    assert_eq!(only(&rows).first_failure, None);
    clock.advance(Duration::from_millis(10));
    rows.record(&rollout, None, false);
    clock.advance(Duration::from_millis(10));
    rows.record(&rollout, None, false);
    assert_eq!(only(&rows).first_failure, Some(Moment::from_millis(1_010)));
}

#[test]
fn the_canary_and_the_rest_have_rows_of_their_own() {
    let rows = Rows::new(at_millis(0));
    let rollout = RolloutId::new("shop", "catalogue");
    let canary = Revision::new("abc").unwrap();
    rows.record(&rollout, Some(&canary), false);
    rows.record(&rollout, None, true);
    let failures: Vec<_> =
        rows.snapshot().into_iter().map(|row| (row.revision, row.failures)).collect();
    assert_eq!(failures, [(None, 0), (Some(canary), 1)]);
}
