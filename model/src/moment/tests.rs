use std::time::Duration;

use super::Moment;

#[test]
fn a_clock_that_was_set_back_gives_no_time_rather_than_a_panic() {
    let (early, late) = (Moment::from_millis(5), Moment::from_millis(9));
    assert_eq!(late.since(early), Duration::from_millis(4));
    assert_eq!(early.since(late), Duration::ZERO);
}

#[test]
fn the_end_of_time_is_not_passed() {
    assert_eq!(Moment::from_millis(u64::MAX).plus(Duration::MAX), Moment::from_millis(u64::MAX));
    assert_eq!(Moment::from_millis(1).plus(Duration::from_micros(2_900)), Moment::from_millis(3));
}
