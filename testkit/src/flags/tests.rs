//! Claims about what the command line accepts.

use super::*;

#[test]
fn durations_need_a_unit() {
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
    assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
    assert!(duration("20").is_err());
    assert!(duration("s").is_err());
    assert!(duration("99999999999999999999h").is_err());
}

#[test]
fn sizes_count_in_powers_of_two() {
    assert_eq!(size("4096"), Ok(4096));
    assert_eq!(size("1GiB"), Ok(1 << 30));
    assert!(size("1GB").is_err());
}

#[test]
fn a_ratio_lies_between_none_and_all() {
    assert_eq!("0.05".parse(), Ok(Ratio(0.05)));
    assert!("1.1".parse::<Ratio>().is_err());
    assert!("-0.1".parse::<Ratio>().is_err());
    assert!("NaN".parse::<Ratio>().is_err());
}

#[test]
fn a_header_has_a_name_and_a_value() {
    let (name, value) = header("X-Version: v2").unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-version", "v2"));
    assert!(header("no colon").is_err());
}

#[test]
fn an_address_without_a_host_means_all() {
    assert_eq!(listen_address(":9000"), Ok("0.0.0.0:9000".parse().unwrap()));
    assert!(listen_address("9000").is_err());
}
