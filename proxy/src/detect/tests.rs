use super::{Spoken, detect, is_promising};

/// Whatever the bytes are, giving them one by one ends in the same answer and never in an earlier
/// wrong one.
fn check(bytes: &[u8], expected: Option<&Spoken>) {
    let mut answer = None;
    for end in 1..=bytes.len() {
        let now = detect(&bytes[..end]);
        if answer.is_some() {
            assert_eq!(now, answer, "changed its mind at byte {end}");
        }
        answer = now;
    }
    assert_eq!(answer.as_ref(), expected, "{:?}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_request_line_is_http1() {
    check(b"GET / HTTP/1.1\r\n", Some(&Spoken::Http1));
    check(b"OPTIONS * HTTP/1.0\r\n", Some(&Spoken::Http1));
    check(b"M-SEARCH http://a/b HTTP/1.1\n", Some(&Spoken::Http1));
}

#[test]
fn a_request_line_that_has_not_ended_needs_more() {
    check(b"GET /a/long/path", None);
    check(b"P", None);
}

#[test]
fn what_may_be_a_method_or_a_hello_is_worth_waiting_for_and_other_words_are_not() {
    let promising =
        [&b"G"[..], b"GET", b"GET /ruok", b"M-SEARCH h", b"PRI * HTTP/2.0", b"\x16\x03"];
    for bytes in promising {
        assert!(is_promising(bytes) && detect(bytes).is_none(), "{bytes:?}");
    }
    for bytes in [&b"r"[..], b"ruok", b"get / HTTP", b"Hello", b"$5"] {
        assert!(!is_promising(bytes) && detect(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn the_preface_is_http2_and_its_beginning_needs_more() {
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(&Spoken::Http2));
    check(b"PRI * HTTP/2.0\r\n\r\n", None);
}

#[test]
fn bytes_after_the_preface_do_not_matter() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04";
    assert_eq!(detect(preface), Some(Spoken::Http2));
}

#[test]
fn lines_that_only_begin_like_http_are_opaque() {
    check(b"SET key value\r\n", Some(&Spoken::Opaque));
    check(b"GET key\r\n", Some(&Spoken::Opaque));
    check(b"*1\r\n$4\r\nPING\r\n", Some(&Spoken::Opaque));
}

#[test]
fn lines_that_would_be_http_but_for_a_control_character_or_a_long_word_are_opaque() {
    check(b"PRI * HTTP/2.0\r HTTP/1.1\r\n", Some(&Spoken::Opaque));
    check(b"GET /\x01 HTTP/1.1\r\n", Some(&Spoken::Opaque));
    let long = [&[b'M'; 40][..], b" / HTTP/1.1\r\n"].concat();
    check(&long, Some(&Spoken::Opaque));
}

#[test]
fn binary_bytes_are_opaque() {
    check(&[0, 0, 0, 8, 4, 210, 22, 47], Some(&Spoken::Opaque));
}

#[test]
fn a_known_method_with_an_endless_target_is_left_to_the_parser() {
    let mut line = b"GET /".to_vec();
    line.resize(super::LONGEST, b'a');
    assert_eq!(detect(&line), Some(Spoken::Http1));
}

#[test]
fn an_unknown_word_with_an_endless_line_is_opaque() {
    let mut line = b"WRITE ".to_vec();
    line.resize(super::LONGEST, b'a');
    assert_eq!(detect(&line), Some(Spoken::Opaque));
}

#[test]
fn tls_of_another_content_is_opaque() {
    check(&[22, 3, 1, 0, 1, 2], Some(&Spoken::Opaque));
    check(&[22, 9], Some(&Spoken::Opaque));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        std::hint::black_box(detect(&bytes));
        let mut hello = vec![22, 3, 1];
        hello.extend(bytes);
        std::hint::black_box(detect(&hello));
    }
}
