use super::{Meter, SEGMENT_ATTEMPTS, SEGMENT_TIME};
use crate::{
    moment::Moment,
    revision::Revision,
    rows::{Counts, Target, Totals},
    weight::Weight,
};

const START: Moment = Moment::from_millis(1_000_000);

fn canary() -> Revision {
    Revision::new("v2").unwrap()
}

fn totals(attempts: u64, failures: u64) -> Totals {
    let counts = Counts { attempts, failures, first_failure: None };
    Totals::from([(Target::Revision(canary()), counts)])
}

fn count(meter: &mut Meter, now: Moment, attempts: u64, failures: u64) {
    meter.count(now, &totals(attempts, failures), &canary(), true);
}

#[test]
fn what_an_earlier_release_of_the_same_revision_did_is_not_counted() {
    let mut meter = Meter::default();
    meter.count(START, &totals(1_000, 50), &canary(), false);
    meter.count(START, &totals(1_200, 60), &canary(), false);
    count(&mut meter, START, 1_200, 60);
    count(&mut meter, START, 1_210, 60);
    assert_eq!((meter.in_run().canary.attempts, meter.in_run().canary.failures), (10, 0));
}

#[test]
fn counts_of_an_operator_that_starts_again_do_not_go_back() {
    let mut meter = Meter::default();
    count(&mut meter, START, 0, 0);
    count(&mut meter, START, 100, 3);
    count(&mut meter, START, 0, 0);
    count(&mut meter, START, 60, 2);
    assert_eq!((meter.in_run().canary.attempts, meter.in_run().canary.failures), (100, 3));
}

#[test]
fn a_busy_service_gets_a_segment_a_minute_and_a_quiet_one_waits_for_attempts() {
    let mut meter = Meter::default();
    count(&mut meter, START, 0, 0);
    count(&mut meter, START, SEGMENT_ATTEMPTS * 2, 1);
    assert_eq!(meter.segment, 1);
    let later = START.plus(SEGMENT_TIME);
    count(&mut meter, later, SEGMENT_ATTEMPTS * 2, 1);
    assert_eq!((meter.segment, meter.in_segment().canary.attempts), (2, 0));
    let much_later = later.plus(SEGMENT_TIME * 9);
    count(&mut meter, much_later, SEGMENT_ATTEMPTS * 3 - 1, 1);
    assert_eq!(meter.segment, 2);
    assert_eq!(meter.sample(Weight::ALL).failed, 1);
}

#[test]
fn a_first_failure_outside_the_release_is_replaced_by_when_it_was_counted() {
    let first = |told| {
        let mut meter = Meter::default();
        count(&mut meter, START, 0, 0);
        let failed = Counts { attempts: 9, failures: 1, first_failure: Some(told) };
        let totals = Totals::from([(Target::Revision(canary()), failed)]);
        meter.count(START.plus(SEGMENT_TIME), &totals, &canary(), true);
        meter.first_failure(START, START.plus(SEGMENT_TIME))
    };
    let within = Moment::from_millis(1_000_500);
    assert_eq!(first(within), Some(within));
    assert_eq!(first(Moment::from_millis(7)), Some(START.plus(SEGMENT_TIME)));
}
