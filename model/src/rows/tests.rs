use proptest::{collection::vec, prelude::*};

use super::{Counts, Life, Refused, Rows, Target};
use crate::{moment::Moment, revision::Revision};

fn life(proxy: &str, epoch: u64) -> Life {
    Life { proxy: proxy.into(), epoch }
}

fn canary() -> Target {
    Target::Revision(Revision::new("v2").unwrap())
}

fn counts(attempts: u64, failures: u64) -> Counts {
    Counts { attempts, failures, first_failure: None }
}

fn total(rows: &Rows) -> Counts {
    rows.totals().get(&canary()).copied().unwrap_or_default()
}

#[test]
fn a_proxy_that_changes_replica_is_counted_once() {
    let mut rows = Rows::default();
    let proxy = life("a", 1);
    rows.merge(&proxy, &canary(), counts(10, 1)).unwrap();
    rows.merge(&proxy, &canary(), counts(15, 2)).unwrap();
    rows.merge(&proxy, &canary(), counts(10, 1)).unwrap();
    rows.merge(&proxy, &canary(), counts(15, 2)).unwrap();
    assert_eq!(total(&rows), counts(15, 2));
}

#[test]
fn another_life_of_the_same_proxy_counts_anew() {
    let mut rows = Rows::default();
    rows.merge(&life("a", 1), &canary(), counts(10, 1)).unwrap();
    rows.merge(&life("a", 2), &canary(), counts(3, 0)).unwrap();
    assert_eq!(total(&rows), counts(13, 1));
}

#[test]
fn targets_are_counted_apart() {
    let mut rows = Rows::default();
    rows.merge(&life("a", 1), &canary(), counts(10, 1)).unwrap();
    rows.merge(&life("a", 1), &Target::Base, counts(90, 0)).unwrap();
    assert_eq!(total(&rows), counts(10, 1));
    assert_eq!(rows.totals()[&Target::Base], counts(90, 0));
}

#[test]
fn totals_do_not_go_back_when_a_proxy_dies_and_a_late_row_adds_only_what_is_new() {
    let mut rows = Rows::default();
    rows.merge(&life("a", 1), &canary(), counts(10, 1)).unwrap();
    rows.merge(&life("ab", 1), &canary(), counts(5, 0)).unwrap();
    rows.end("a");
    assert_eq!(total(&rows), counts(15, 1));
    rows.merge(&life("a", 1), &canary(), counts(12, 1)).unwrap();
    assert_eq!(total(&rows), counts(17, 1));
}

#[test]
fn room_is_made_by_the_dead_and_refused_to_the_living() {
    let mut rows = Rows::default();
    for at in 0..Rows::LIVES {
        rows.merge(&life(&format!("p{at:05}"), 1), &canary(), counts(1, 0)).unwrap();
    }
    let refused = rows.merge(&life("late", 1), &canary(), counts(1, 1));
    assert_eq!((refused, rows.refused()), (Err(Refused::TooManyLives), 1));
    rows.end("p00007");
    rows.merge(&life("late", 1), &canary(), counts(1, 1)).unwrap();
    assert_eq!(total(&rows).attempts, u64::try_from(Rows::LIVES).unwrap() + 1);
    assert_eq!(rows.lives.len(), Rows::LIVES);
}

#[test]
fn a_proxy_that_crashes_for_ever_takes_the_room_of_its_own_former_lives_only() {
    let mut rows = Rows::default();
    rows.merge(&life("b", 1), &canary(), counts(1, 0)).unwrap();
    for epoch in 0..=u64::try_from(Rows::LIVES).unwrap() {
        rows.merge(&life("a", epoch), &canary(), counts(1, 0)).unwrap();
    }
    assert!(rows.lives.contains_key(&life("b", 1)));
    assert_eq!((rows.lives.len(), rows.refused()), (Rows::LIVES, 0));
}

#[test]
fn one_proxy_cannot_report_on_endless_revisions() {
    let mut rows = Rows::default();
    for at in 0..Rows::TARGETS {
        let target = Target::Revision(Revision::new(format!("r{at}")).unwrap());
        rows.merge(&life("a", 1), &target, counts(1, 0)).unwrap();
    }
    let refused = rows.merge(&life("a", 1), &Target::Base, counts(1, 0));
    assert_eq!(refused, Err(Refused::TooManyTargets));
    assert!(!rows.totals().contains_key(&Target::Base));
}

#[test]
fn revisions_that_are_gone_leave_nothing_behind() {
    let mut rows = Rows::default();
    rows.merge(&life("a", 1), &canary(), counts(1, 0)).unwrap();
    rows.merge(&life("b", 1), &Target::Base, counts(1, 0)).unwrap();
    rows.end("a");
    rows.retain(|target| *target == Target::Base);
    assert_eq!((rows.lives.len(), rows.ended.len(), rows.totals().len()), (1, 0, 1));
}

#[test]
fn a_difference_knows_a_first_failure_only_if_something_failed() {
    let at = Some(Moment::from_millis(7));
    let late = Counts { attempts: 10, failures: 3, first_failure: at };
    assert_eq!(late.since(&counts(4, 3)).first_failure, None);
    assert_eq!(late.since(&counts(4, 1)), Counts { attempts: 6, failures: 2, first_failure: at });
    assert_eq!(counts(1, 0).since(&counts(5, 5)), counts(0, 0));
}

#[test]
fn the_first_failure_is_the_earliest_that_any_proxy_saw() {
    let mut rows = Rows::default();
    let saw = |millis| Counts { first_failure: Some(Moment::from_millis(millis)), ..counts(1, 1) };
    rows.merge(&life("a", 1), &canary(), saw(9)).unwrap();
    rows.merge(&life("b", 1), &canary(), saw(5)).unwrap();
    assert_eq!(total(&rows).first_failure, Some(Moment::from_millis(5)));
}

proptest! {
    /// Two proxies count on; their reports come late, twice and in any order, and one of them dies.
    #[test]
    fn totals_are_what_was_counted_last_whatever_order_reports_come_in(
        reports in vec((0..2_u64, 0..40_usize), 1..60),
        dies_after in 0..60_usize,
    ) {
        let mut rows = Rows::default();
        let mut last = [0_u64; 2];
        let mut before = counts(0, 0);
        for (at, (proxy, report)) in reports.into_iter().enumerate() {
            let attempts = u64::try_from(report).unwrap();
            let name = if proxy == 0 { "a" } else { "b" };
            rows.merge(&life(name, 1), &canary(), counts(attempts, attempts / 2)).unwrap();
            if at == dies_after {
                rows.end("a");
            }
            let slot = &mut last[usize::try_from(proxy).unwrap()];
            *slot = attempts.max(*slot);
            let now = total(&rows);
            prop_assert!(now.attempts >= before.attempts && now.failures >= before.failures);
            prop_assert_eq!(now.attempts, last[0] + last[1]);
            prop_assert_eq!(now.failures, last[0] / 2 + last[1] / 2);
            before = now;
        }
    }
}
