use std::collections::BTreeSet;

use super::Stride;

#[test]
fn a_round_meets_every_point_once() {
    for total in [1, 2, 3, 10, 97, 100, 10_000] {
        let stride = Stride::new(total, 7);
        let met: BTreeSet<u64> = (0..total).map(|_| stride.next()).collect();
        assert_eq!(met.len() as u64, total);
        assert!(met.iter().all(|point| *point < total));
    }
}

#[test]
fn any_hundred_requests_give_a_tenth_its_ten() {
    let stride = Stride::new(10_000, 4_321);
    for _ in 0..500 {
        let hits = (0..100).filter(|_| stride.next() < 1_000).count();
        assert!((8..=12).contains(&hits), "{hits} of 100");
    }
}

#[test]
fn the_seed_chooses_where_it_starts() {
    assert_eq!(Stride::new(10_000, 10_005).next(), 5);
}

#[test]
fn no_weight_at_all_is_a_walk_over_one_point() {
    assert_eq!(Stride::new(0, 9).next(), 0);
}
