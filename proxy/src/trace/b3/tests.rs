use proptest::prelude::*;

use super::*;

const LONG: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SHORT: &str = "64fe8b2a57d3eff7";
const CHILD: &str = "e457b5a2e4d86bd1";
const GRANDPARENT: &str = "05e3ac9a4f6e3b90";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn read(pairs: &[(&'static str, &str)]) -> Option<B3> {
    let headers = headers(pairs);
    B3::read(&headers, Forms::of(&headers))
}

fn ids(trace: &str, span: &str) -> Option<(TraceId, SpanId)> {
    Some((super::trace(trace.as_bytes())?, super::span(span.as_bytes())?))
}

#[test]
fn one_header_says_it_all() {
    let check = |text: &str, decision| {
        assert_eq!(read(&[("b3", text)]), Some(B3 { ids: ids(LONG, CHILD), decision }), "{text}");
    };
    check(&format!("{LONG}-{CHILD}"), None);
    check(&format!("{LONG}-{CHILD}-0"), Some(Decision::Unsampled));
    check(&format!("{LONG}-{CHILD}-1-{GRANDPARENT}"), Some(Decision::Sampled));
    check(&format!("{LONG}-{CHILD}-d"), Some(Decision::Debug));
}

#[test]
fn a_decision_alone_is_one() {
    for (text, decision) in
        [("0", Decision::Unsampled), ("1", Decision::Sampled), ("d", Decision::Debug)]
    {
        assert_eq!(read(&[("b3", text)]), Some(B3 { ids: None, decision: Some(decision) }));
    }
    let alone = read(&[("x-b3-sampled", "0")]);
    assert_eq!(alone, Some(B3 { ids: None, decision: Some(Decision::Unsampled) }));
}

#[test]
fn many_headers_say_it_all() {
    let context = [("x-b3-traceid", SHORT), ("x-b3-spanid", CHILD)];
    let check = |more: &[(&'static str, &str)], decision| {
        let said = read(&[&context, more].concat());
        assert_eq!(said, Some(B3 { ids: ids(SHORT, CHILD), decision }), "{more:?}");
    };
    check(&[], None);
    check(&[("x-b3-sampled", "1")], Some(Decision::Sampled));
    check(&[("x-b3-sampled", "false")], Some(Decision::Unsampled));
    check(&[("x-b3-flags", "1")], Some(Decision::Debug));
    check(&[("x-b3-flags", "0"), ("x-b3-sampled", "0")], Some(Decision::Unsampled));
}

#[test]
fn the_one_header_comes_before_the_many() {
    let both = [("b3", "0"), ("x-b3-traceid", SHORT), ("x-b3-spanid", CHILD)];
    assert_eq!(read(&both).unwrap().ids, None);
    let broken = [("b3", "what"), ("x-b3-traceid", SHORT), ("x-b3-spanid", CHILD)];
    assert_eq!(read(&broken).unwrap().ids, ids(SHORT, CHILD));
}

#[test]
fn what_breaks_the_form_says_nothing() {
    let zero = format!("{}-{CHILD}-1", "0".repeat(32));
    let odd = format!("{LONG}0-{CHILD}-1");
    let letter = format!("{LONG}-{CHILD}-x");
    for wrong in ["", "x", "-", "--", "1-", &zero, &odd, &letter] {
        assert_eq!(read(&[("b3", wrong)]), None, "{wrong}");
    }
    assert_eq!(read(&[("x-b3-traceid", LONG)]), Some(B3::default()));
    assert_eq!(read(&[]), None);
}

#[test]
fn it_goes_on_in_the_forms_it_came_in() {
    let mut sent = headers(&[("x-b3-flags", "0"), ("x-b3-parentspanid", GRANDPARENT)]);
    let (forms, ids) = (Forms::of(&sent), ids(SHORT, CHILD).unwrap());
    write(&mut sent, forms, ids, None, Decision::Sampled);
    assert_eq!(sent["x-b3-traceid"], SHORT);
    assert_eq!(sent["x-b3-spanid"], CHILD);
    assert_eq!(sent["x-b3-sampled"], "1");
    assert!(!sent.contains_key("x-b3-parentspanid"));
    assert!(!sent.contains_key("b3"));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        trace: [u8; 16],
        span: [u8; 8],
        parent: Option<[u8; 8]>,
        letter in 0..3_usize,
        single: bool,
    ) {
        let decision = [Decision::Unsampled, Decision::Sampled, Decision::Debug][letter];
        let ids = TraceId::from_bytes(trace).zip(SpanId::from_bytes(span));
        prop_assume!(ids.is_some());
        let parent = parent.and_then(SpanId::from_bytes);
        let (mut headers, forms) = (HeaderMap::new(), Forms { single, multiple: !single });
        write(&mut headers, forms, ids.unwrap(), parent, decision);
        prop_assert_eq!(Forms::of(&headers), forms);
        prop_assert_eq!(B3::read(&headers, forms), Some(B3 { ids, decision: Some(decision) }));
    }

    #[test]
    fn bytes_that_nobody_would_write_say_nothing(text: Vec<u8>, trace: Vec<u8>) {
        prop_assume!(Decision::of(&text).is_none());
        prop_assert_eq!(B3::parse_single(&text), None);
        prop_assume!(!trace.iter().all(u8::is_ascii_hexdigit));
        prop_assert_eq!(super::trace(&trace), None);
    }
}
