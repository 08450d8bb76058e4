use std::time::Duration;

use tokio::time::Instant;

use super::{Dice, Load, pick, pick_cheapest};

fn loads(count: usize) -> (Instant, Vec<Load>) {
    let now = Instant::now();
    (now, (0..count).map(|_| Load::new(now)).collect())
}

/// How often each of `loads` is picked in `rounds`, nothing being in flight but what the loads say.
fn spread(loads: &[Load], now: Instant, rounds: usize) -> Vec<usize> {
    let dice = Dice::new(1);
    let mut hits = vec![0; loads.len()];
    for _ in 0..rounds {
        let picked = pick(loads, &dice, |load| load.cost(now), |_| false).unwrap();
        hits[loads.iter().position(|load| std::ptr::eq(load, picked)).unwrap()] += 1;
    }
    hits
}

#[test]
fn nothing_is_picked_from_nothing() {
    assert!(pick(&[] as &[Load], &Dice::new(0), |_| 0.0, |_| false).is_none());
}

#[test]
fn equal_endpoints_share_evenly() {
    let (now, loads) = loads(4);
    for hits in spread(&loads, now, 4_000) {
        assert!((800..1_200).contains(&hits), "{hits} of 4000");
    }
}

#[test]
fn a_stalled_endpoint_is_left_alone_after_one_slow_answer() {
    let (now, loads) = loads(3);
    for load in &loads {
        load.observe(Duration::from_millis(2), now);
    }
    loads[1].observe(Duration::from_secs(2), now);
    assert_eq!(spread(&loads, now, 1_000)[1], 0);
}

#[test]
fn a_slow_answer_is_forgiven_in_time() {
    let (now, loads) = loads(2);
    loads[0].observe(Duration::from_secs(2), now);
    let later = now + Duration::from_secs(120);
    assert!(loads[0].cost(later) < 1.2 * loads[1].cost(later));
}

#[test]
fn what_is_in_flight_counts() {
    let (now, loads) = loads(2);
    (0..5).for_each(|_| loads[0].enter());
    assert_eq!(spread(&loads, now, 100), [0, 100]);
    (0..5).for_each(|_| loads[0].leave());
    assert!(spread(&loads, now, 100)[0] > 0);
}

#[test]
fn an_endpoint_that_could_not_be_reached_is_the_last_to_be_tried() {
    let (now, loads) = loads(2);
    loads[0].fail(now);
    assert_eq!(spread(&loads, now, 100), [0, 100]);
}

#[test]
fn what_is_to_be_skipped_is_skipped_and_nothing_is_left_if_that_is_all() {
    let candidates = [1, 2, 3];
    for seed in 0..50 {
        let dice = Dice::new(seed);
        assert_eq!(pick(&candidates, &dice, |_| 1.0, |one| *one != 2), Some(&2));
        assert_eq!(pick(&candidates, &dice, |_| 1.0, |_| true), None);
    }
}

#[test]
fn who_was_turned_away_gets_the_cheapest_of_what_is_left_and_any_of_equal_ones() {
    let costs = [5.0, 1.0, 3.0, 1.0, 9.0];
    let mut met = [0; 5];
    for seed in 0..50 {
        let dice = Dice::new(seed);
        let indices: Vec<usize> = (0..5).collect();
        let cheapest = |skip: &dyn Fn(&usize) -> bool| {
            pick_cheapest(&indices, &dice, |index| costs[*index], skip).copied()
        };
        met[cheapest(&|_| false).unwrap()] += 1;
        assert_eq!(cheapest(&|index| costs[*index] < 3.0), Some(2));
        assert_eq!(cheapest(&|_| true), None);
    }
    assert_eq!(met[1] + met[3], 50);
    assert!(met[1] > 0 && met[3] > 0, "{met:?}");
    assert_eq!(pick_cheapest(&[0; 0], &Dice::new(1), |_| 1.0, |_| false), None);
}
