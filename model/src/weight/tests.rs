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
