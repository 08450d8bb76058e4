use super::Weight;

#[test]
fn more_than_all_traffic_is_refused() {
    assert!(Weight::from_percent(101).is_err());
    assert!(Weight::from_basis_points(10_001).is_err());
    assert_eq!(Weight::from_percent(100), Ok(Weight::ALL));
}

#[test]
fn a_fair_share_is_rounded_down_and_never_above_all() {
    assert_eq!(Weight::of(1, 3).basis_points(), 3_333);
    assert_eq!(Weight::of(5, 4), Weight::ALL);
    assert_eq!(Weight::of(u32::MAX, 1), Weight::ALL);
    assert_eq!(Weight::of(1, 0), Weight::NONE);
}

#[test]
fn it_reads_as_a_percentage_of_the_shortest_exact_form() {
    let show = |points| Weight::from_basis_points(points).unwrap().to_string();
    assert_eq!([show(0), show(500), show(1_250), show(3_333)], ["0%", "5%", "12.5%", "33.33%"]);
}

#[test]
fn a_ratio_is_rounded_but_something_never_becomes_nothing() {
    let points = |ratio| Weight::from_ratio(ratio).unwrap().basis_points();
    assert_eq!([points(0.0), points(1e-9), points(0.01), points(1.0)], [0, 1, 100, 10_000]);
    for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
        assert!(Weight::from_ratio(wrong).is_err(), "{wrong}");
    }
}
