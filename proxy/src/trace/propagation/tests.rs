use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn parent(sampled: &str) -> (&'static str, String) {
    ("traceparent", format!("00-{TRACE}-{SPAN}-{sampled}"))
}

fn unasked() -> bool {
    panic!("it was decided before")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[test]
fn a_trace_that_is_recorded_goes_on_with_a_span_of_ours() {
    let mut headers = headers(&[parent("01"), ("tracestate", "a=1".to_owned())]);
    headers.append("tracestate", "b=2".parse().unwrap());
    let place = step(&mut headers, unasked).unwrap();
    assert_eq!(place.trace.to_string(), TRACE);
    assert_eq!(place.parent.unwrap().to_string(), SPAN);
    assert_eq!(place.state, ["a=1", "b=2"]);
    assert_eq!(text(&headers, "traceparent"), format!("00-{TRACE}-{}-01", place.span));
    assert_eq!(headers.get_all("tracestate").iter().count(), 2);
}

#[test]
fn a_trace_that_is_not_recorded_stays_so_and_as_it_came() {
    let mut headers = headers(&[parent("00"), ("tracestate", "a=1".to_owned())]);
    let came = headers.clone();
    assert!(step(&mut headers, unasked).is_none());
    assert_eq!(headers, came);
}

#[test]
fn a_trace_that_begins_here_is_decided_on_here() {
    for sampled in [true, false] {
        let mut headers = HeaderMap::new();
        let place = step(&mut headers, || sampled);
        assert_eq!(place.is_some(), sampled);
        let end = if sampled { "-01" } else { "-00" };
        assert!(text(&headers, "traceparent").ends_with(end));
        // Whoever is next does as we decided.
        assert_eq!(step(&mut headers, unasked).is_some(), sampled);
    }
}

#[test]
fn state_without_a_parent_that_can_be_read_is_worth_nothing() {
    for broken in ["00-0-0-01", "what"] {
        let pairs = [("traceparent", broken.to_owned()), ("tracestate", "a=1".to_owned())];
        let mut headers = headers(&pairs);
        assert!(step(&mut headers, || true).unwrap().parent.is_none());
        assert!(!headers.contains_key("tracestate"));
    }
}

#[test]
fn b3_goes_on_as_b3_and_as_w3c() {
    let mut single = headers(&[("b3", format!("{TRACE}-{SPAN}-1"))]);
    let place = step(&mut single, unasked).unwrap();
    assert_eq!(text(&single, "b3"), format!("{TRACE}-{}-1-{SPAN}", place.span));
    assert_eq!(text(&single, "traceparent"), format!("00-{TRACE}-{}-01", place.span));
    let pairs = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-flags", "1")];
    let mut multiple = headers(&pairs.map(|(name, value)| (name, value.to_owned())));
    let place = step(&mut multiple, unasked).unwrap();
    assert_eq!(text(&multiple, "x-b3-spanid"), place.span.to_string());
    assert_eq!(text(&multiple, "x-b3-parentspanid"), SPAN);
    assert_eq!(text(&multiple, "x-b3-flags"), "1");
    assert_eq!(text(&multiple, "traceparent"), format!("00-{TRACE}-{}-01", place.span));
}

#[test]
fn b3_that_forbids_a_trace_is_obeyed_by_all_who_follow() {
    let mut headers = headers(&[("b3", "0".to_owned())]);
    assert!(step(&mut headers, unasked).is_none());
    assert!(text(&headers, "b3").ends_with("-0"));
    assert!(text(&headers, "traceparent").ends_with("-00"));
}

#[test]
fn b3_that_leaves_the_decision_open_gets_ours() {
    let mut headers = headers(&[("b3", format!("{TRACE}-{SPAN}"))]);
    assert!(step(&mut headers, || false).is_none());
    assert_eq!(text(&headers, "b3"), format!("{TRACE}-{SPAN}-0"));
}

#[test]
fn w3c_goes_before_b3_and_leaves_no_contradiction() {
    let debug = ("x-b3-flags", "1".to_owned());
    let mut headers = headers(&[parent("00"), debug, ("b3", format!("{TRACE}-{SPAN}-1"))]);
    assert!(step(&mut headers, unasked).is_none());
    assert_eq!(text(&headers, "b3"), format!("{TRACE}-{SPAN}-0"));
    assert_eq!(text(&headers, "x-b3-sampled"), "0");
    assert!(!headers.contains_key("x-b3-flags"));
}
