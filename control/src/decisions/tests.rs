//! Which of several decisions is followed, in whatever order they arrive.

use cluster::watch::Change;
use model::{decision::DecidedSplit, revision::Revision, service::Share, weight::Weight};
use proptest::prelude::*;

use super::*;

fn decision(number: u64, percent: u8) -> Decision {
    let share = Share::Weighted(Weight::from_percent(percent).unwrap());
    decided(number, share)
}

fn decided(number: u64, share: Share) -> Decision {
    let canary = Revision::new("v2").unwrap();
    Decision {
        rollout: RolloutId::new("shop", "cart"),
        number,
        services: vec!["cart".into()],
        split: Some(DecidedSplit { canary, share }),
    }
}

fn check(
    held: Option<u64>,
    written: Option<&Decision>,
    sent: Option<&Decision>,
    expect: Option<u64>,
) {
    let held = held.map(|number| decision(number, 50));
    let followed = follow(held.as_ref(), written, sent);
    assert_eq!(followed.map(|decision| decision.number), expect);
}

#[test]
fn traffic_is_taken_away_before_it_is_written_down() {
    check(Some(5), Some(&decision(5, 50)), Some(&decision(6, 0)), Some(6));
    check(Some(5), Some(&decision(5, 50)), Some(&decision(6, 50)), Some(6));
}

#[test]
fn traffic_is_given_only_once_it_is_written_down() {
    check(Some(5), Some(&decision(5, 50)), Some(&decision(6, 60)), Some(5));
    check(Some(5), Some(&decision(6, 60)), Some(&decision(6, 60)), Some(6));
    let joined = decided(6, Share::Joined);
    check(Some(5), Some(&decision(5, 50)), Some(&joined), Some(5));
    check(Some(5), Some(&joined), None, Some(6));
}

#[test]
fn an_older_status_does_not_give_back() {
    check(Some(6), Some(&decision(5, 90)), None, Some(6));
    check(Some(6), None, None, Some(6));
}

#[test]
fn without_a_status_only_what_gives_nothing_is_followed() {
    check(None, None, Some(&decision(1, 10)), None);
    check(None, None, Some(&decision(1, 0)), Some(1));
}

fn mirror(uid: &str, written: Option<Decision>) -> Mirror<Rollout> {
    let mut mirror = Mirror::default();
    let rollout = Rollout { uid: uid.into(), decision: written };
    mirror.apply(Change::Reset(vec![(ObjectName::new("shop", "cart"), rollout)]));
    mirror
}

fn weight(decisions: &Decisions) -> Option<Share> {
    decisions.split(&ObjectName::new("shop", "cart")).map(|split| split.share)
}

fn percent(percent: u8) -> Option<Share> {
    Some(Share::Weighted(Weight::from_percent(percent).unwrap()))
}

#[test]
fn a_rollout_that_is_gone_divides_nothing() {
    let mut decisions = Decisions::default();
    let changed = decisions.settle(&mirror("1", Some(decision(5, 50))), &[]);
    assert_eq!(changed.len(), 1);
    assert_eq!(weight(&decisions), percent(50));
    decisions.settle(&Mirror::default(), &[decision(5, 50)]);
    assert_eq!(weight(&decisions), None);
}

#[test]
fn a_rollout_made_again_is_another_one() {
    let mut decisions = Decisions::default();
    decisions.settle(&mirror("1", Some(decision(5, 50))), &[]);
    decisions.settle(&mirror("2", Some(decision(3, 10))), &[]);
    assert_eq!(weight(&decisions), percent(10));
}

#[test]
fn of_two_rollouts_with_one_service_the_first_by_name_has_it() {
    let other = Decision { rollout: RolloutId::new("shop", "a"), ..decision(9, 7) };
    let mut rollouts = mirror("1", Some(decision(5, 50)));
    let name = ObjectName::new("shop", "a");
    rollouts.apply(Change::Applied(name, Rollout { uid: "2".into(), decision: Some(other) }));
    let mut decisions = Decisions::default();
    decisions.settle(&rollouts, &[]);
    assert_eq!(weight(&decisions), percent(7));
}

proptest! {
    /// Decisions are numbered by the operator; each reaches a replica by status, by message, by
    /// both or late.
    #[test]
    fn the_number_in_force_never_falls_and_no_weight_is_given_that_was_not_written(
        weights in proptest::collection::vec(0_u8..=100, 1..8),
        arrivals in proptest::collection::vec((0_usize..8, any::<bool>()), 1..32),
    ) {
        let all: Vec<Decision> =
            weights.iter().zip(1..).map(|(weight, number)| decision(number, *weight)).collect();
        let (mut written, mut sent): (Option<Decision>, Option<Decision>) = (None, None);
        let mut decisions = Decisions::default();
        let mut last = 0;
        for (index, by_status) in arrivals {
            let arrived = all[index % all.len()].clone();
            let slot = if by_status { &mut written } else { &mut sent };
            *slot = Some(arrived);
            let before = last_weight(&decisions);
            decisions.settle(&mirror("1", written.clone()), sent.as_slice());
            let Some(split) = decisions.split(&ObjectName::new("shop", "cart")) else { continue };
            prop_assert!(split.decision >= last, "{} after {last}", split.decision);
            let is_written = written.as_ref().is_some_and(|it| it.number >= split.decision);
            prop_assert!(is_written || last_weight(&decisions) <= before.max(weight_of(&written)));
            last = split.decision;
        }
    }
}

fn last_weight(decisions: &Decisions) -> Weight {
    match weight(decisions) {
        Some(Share::Weighted(weight)) => weight,
        Some(Share::Joined) | None => Weight::NONE,
    }
}

fn weight_of(decision: &Option<Decision>) -> Weight {
    decision.as_ref().map_or(Weight::NONE, Decision::weight)
}
