use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    NEVER_IN_TRAILERS, has_known_coding, has_one_length, is_clear_response, strip_announcements,
    strip_trailers,
};
use crate::http::{
    head::{CLAIMS, HOP_BY_HOP},
    marks::Marks,
};

fn codings(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::TRANSFER_ENCODING, value.parse().unwrap());
    }
    headers
}

#[test]
fn chunked_alone_is_the_coding_that_is_known() {
    for known in [&[][..], &["chunked"], &["CHUNKED"]] {
        assert!(has_known_coding(&codings(known)), "{known:?}");
    }
    for unknown in [&["gzip, chunked"][..], &["gzip"], &["gzip", "chunked"], &[""]] {
        assert!(!has_known_coding(&codings(unknown)), "{unknown:?}");
    }
}

fn length(values: &[&str]) -> Option<Vec<String>> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::CONTENT_LENGTH, value.parse().unwrap());
    }
    let is_one = has_one_length(&mut headers);
    let left = headers.get_all(header::CONTENT_LENGTH).iter();
    is_one.then(|| left.map(|value| value.to_str().unwrap().to_owned()).collect())
}

#[test]
fn equal_lengths_are_one_and_others_are_none() {
    for one in [&["5"][..], &["5", "5"], &["5, 5"], &["5,5", "5"]] {
        assert_eq!(length(one).unwrap(), ["5"], "{one:?}");
    }
    for none in [&["5", "6"][..], &["5, 6"], &["5", "05"], &["+5"], &["5,"], &[""], &["5 5"]] {
        assert_eq!(length(none), None, "{none:?}");
    }
}

#[test]
fn a_length_beside_a_coding_is_removed() {
    let mut headers = codings(&["chunked"]);
    headers.insert(header::CONTENT_LENGTH, "5".parse().unwrap());
    let marks = Marks::of(&headers);
    assert!(is_clear_response(StatusCode::OK, &mut headers, marks, false));
    assert!(!headers.contains_key(header::CONTENT_LENGTH));
}

#[test]
fn a_server_switches_protocols_only_when_it_is_asked_to() {
    let switching = StatusCode::SWITCHING_PROTOCOLS;
    let mut headers = HeaderMap::new();
    let none = Marks::of(&headers);
    assert!(is_clear_response(switching, &mut headers, none, true));
    assert!(!is_clear_response(switching, &mut headers, none, false));
}

#[test]
fn trailers_say_nothing_of_framing_routing_or_identity() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    for name in NEVER_IN_TRAILERS {
        trailers.insert(name, "1".parse().unwrap());
    }
    strip_trailers(&mut trailers);
    assert_eq!(trailers.len(), 1);
}

#[test]
fn nothing_that_is_taken_out_of_a_head_comes_back_in_trailers() {
    let others = [header::CONNECTION, header::TRANSFER_ENCODING];
    for name in CLAIMS.into_iter().chain(HOP_BY_HOP).chain(others) {
        let forged = [(name.clone(), HeaderValue::from_static("1"))];
        let mut trailers: HeaderMap = forged.into_iter().collect();
        strip_trailers(&mut trailers);
        assert!(trailers.is_empty(), "{name}");
    }
}

#[test]
fn only_trailers_that_may_come_are_announced() {
    let mut headers = HeaderMap::new();
    headers.append(header::TRAILER, "x-sum, Content-Length".parse().unwrap());
    headers.append(header::TRAILER, "host,x-last".parse().unwrap());
    strip_announcements(&mut headers);
    assert_eq!(headers.get_all(header::TRAILER).iter().collect::<Vec<_>>(), ["x-sum", "x-last"]);
}
