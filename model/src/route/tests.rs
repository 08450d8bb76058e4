//! What matches a request, and how weights are drawn.

use super::*;

fn request(path: &str, headers: &[(&str, &str)]) -> (http::Method, http::Uri, http::HeaderMap) {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.append(
            name.parse::<http::HeaderName>().unwrap(),
            http::HeaderValue::from_str(value).unwrap(),
        );
    }
    (http::Method::GET, path.parse().unwrap(), map)
}

fn check_path(matcher: &PathMatch, path: &str, expect: bool) {
    assert_eq!(matcher.matches(path), expect, "{matcher:?} on {path}");
}

#[test]
fn a_prefix_matches_whole_path_elements() {
    let prefix = PathMatch::prefix("/a/b/");
    check_path(&prefix, "/a/b", true);
    check_path(&prefix, "/a/b/", true);
    check_path(&prefix, "/a/b/c", true);
    check_path(&prefix, "/a/bc", false);
    check_path(&prefix, "/a", false);
    check_path(&PathMatch::prefix("/"), "/anything", true);
}

#[test]
fn an_exact_path_is_compared_byte_by_byte() {
    let exact = PathMatch::Exact("/a".into());
    check_path(&exact, "/a", true);
    check_path(&exact, "/a/", false);
    check_path(&exact, "/A", false);
}

#[test]
fn every_part_of_a_match_must_hold() {
    let wanted = RequestMatch {
        method: Some("GET".into()),
        headers: vec![HeaderMatch { name: "x-user".into(), value: "beta".into() }],
        query: vec![QueryMatch { name: "v".into(), value: "2".into() }],
        ..RequestMatch::default()
    };
    let matches = |(method, uri, headers)| wanted.matches(&method, &uri, &headers);
    assert!(matches(request("/?v=2&v=3", &[("x-user", "beta")])));
    assert!(!matches(request("/?v=3&v=2", &[("x-user", "beta")])), "the first value counts");
    assert!(!matches(request("/?v=2", &[("x-user", "alpha")])));
    assert!(!matches(request("/?v=2", &[])));
}

#[test]
fn a_repeated_header_is_one_list() {
    let wanted = HeaderMatch { name: "x".into(), value: "a, b".into() };
    assert!(wanted.matches(&request("/", &[("x", "a"), ("x", "b")]).2));
    assert!(!wanted.matches(&request("/", &[("x", "b"), ("x", "a")]).2));
}

#[test]
fn every_point_falls_on_a_backend_in_proportion_to_its_weight() {
    let backend = |weight| WeightedBackend { service: None, weight };
    let backends = [backend(7), backend(0), backend(3)];
    let mut seen = [0, 0];
    for point in 0..total_weight(&backends) {
        match pick(&backends, point).map(|b| b.weight) {
            Some(7) => seen[0] += 1,
            Some(3) => seen[1] += 1,
            other => panic!("point {point} fell on {other:?}"),
        }
    }
    assert_eq!(seen, [7, 3]);
    assert!(pick(&backends, 10).is_none());
    assert!(pick(&[backend(0)], 0).is_none());
}
