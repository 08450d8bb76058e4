//! Responses of HTTP/1 that readers have been known to disagree about.
//!
//! Each answers a GET, or a HEAD where its name begins so. One that passes is the one message that
//! the client reads, whole; what is left over never reaches anybody.

use super::{
    Case,
    Expect::{self, Either, Passes, Refused},
};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let groups: [fn() -> Vec<Case>; 6] =
        [codings_and_lengths, lengths, chunks, statuses, lines, leftovers];
    groups.iter().flat_map(|group| group()).collect()
}

const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

fn case(name: impl std::fmt::Display, text: &str, expect: Expect) -> Case {
    let name: String = name.to_string().chars().take(160).collect();
    Case::new(name, text, expect)
}

fn codings_and_lengths() -> Vec<Case> {
    let codings: &[(&str, Expect)] = &[
        ("Transfer-Encoding: chunked\r\n", Passes(1)),
        ("TRANSFER-ENCODING:CHUNKED\r\n", Passes(1)),
        ("Transfer-Encoding:\tchunked \t\r\n", Passes(1)),
        ("Transfer-Encoding : chunked\r\n", Refused),
        (" Transfer-Encoding: chunked\r\n", Refused),
        ("Transfer-Encoding: xchunked\r\n", Refused),
        ("Transfer-Encoding: chunked, identity\r\n", Refused),
        ("Transfer-Encoding: identity, chunked\r\n", Refused),
        ("Transfer-Encoding: gzip, chunked\r\n", Refused),
        ("Transfer-Encoding: chunked, gzip\r\n", Refused),
        ("Transfer-Encoding: gzip\r\n", Refused),
        ("Transfer-Encoding: identity\r\n", Refused),
        ("Transfer-Encoding: cow\r\n", Refused),
        ("Transfer-Encoding:\r\n", Refused),
        ("Transfer-Encoding: \0chunked\r\n", Refused),
        ("Transfer-Encoding:\x0bchunked\r\n", Refused),
        ("Transfer-Encoding:\r\n chunked\r\n", Refused),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", Refused),
        ("X: y\nTransfer-Encoding: chunked\r\n", Either),
        ("X: y\rTransfer-Encoding: chunked\r\n", Refused),
        ("Transfer_Encoding: chunked\r\n", Either),
    ];
    let mut cases = Vec::new();
    for (coding, alone) in codings {
        cases.push(case(format!("{coding:?}"), &ok(coding, CHUNKED), *alone));
        for length in ["0", "3", "15", "99"] {
            let length = format!("content-length: {length}\r\n");
            let expect = if *alone == Refused { Refused } else { Either };
            for fields in [format!("{coding}{length}"), format!("{length}{coding}")] {
                cases.push(case(format!("{fields:?}"), &ok(&fields, CHUNKED), expect));
            }
        }
    }
    cases
}

fn lengths() -> Vec<Case> {
    let fields: &[(&str, Expect)] = &[
        ("content-length: 5\r\n", Passes(1)),
        ("content-length:5\r\n", Passes(1)),
        ("content-length: \t5 \r\n", Passes(1)),
        ("content-length: 05\r\n", Either),
        ("content-length: +5\r\n", Refused),
        ("content-length: -5\r\n", Refused),
        ("content-length: 0x5\r\n", Refused),
        ("content-length: 5, 5\r\n", Either),
        ("content-length: 5,6\r\n", Refused),
        ("content-length: 5 5\r\n", Refused),
        ("content-length:\r\n", Refused),
        ("content-length: five\r\n", Refused),
        ("content-length: 5\0\r\n", Refused),
        ("content-length: \u{b2}\r\n", Refused),
        ("content-length: 18446744073709551615\r\n", Refused),
        ("content-length: 18446744073709551621\r\n", Refused),
        ("content-length: 99999999999999999999999\r\n", Refused),
        ("content-length: 5\r\ncontent-length: 5\r\n", Either),
        ("content-length: 5\r\ncontent-length: 6\r\n", Refused),
        ("content-length: 6\r\ncontent-length: 5\r\n", Refused),
        ("content-length: 5\r\ncontent-length: +5\r\n", Refused),
        ("content-length : 5\r\n", Refused),
        ("content-length:\r\n 5\r\n", Refused),
        ("content-length: 0\r\n 5\r\n", Refused),
        ("content-length: 6\r\n", Refused),
        ("content-length: 9223372036854775807\r\n", Refused),
        ("content-length: 4\r\n", Passes(1)),
        ("content-length: 0\r\n", Passes(1)),
        ("", Passes(1)),
        ("connection: close\r\n", Passes(1)),
        ("connection: content-length\r\ncontent-length: 5\r\n", Passes(1)),
        ("connection: close, content-length\r\ncontent-length: 5\r\n", Passes(1)),
        ("connection: transfer-encoding\r\ncontent-length: 5\r\n", Passes(1)),
        ("keep-alive: timeout=9\r\ncontent-length: 5\r\n", Passes(1)),
        ("proxy-connection: close\r\ncontent-length: 5\r\n", Passes(1)),
        ("upgrade: h2c\r\ncontent-length: 5\r\n", Passes(1)),
        ("trailer: content-length\r\ncontent-length: 5\r\n", Passes(1)),
        ("x-serin-not-processed: 1\r\ncontent-length: 5\r\n", Passes(1)),
    ];
    fields
        .iter()
        .map(|(field, expect)| case(format!("{field:?}"), &ok(field, "hello"), *expect))
        .collect()
}

fn chunks() -> Vec<Case> {
    let bodies: &[(&str, Expect)] = &[
        ("5\r\nhello\r\n0\r\n\r\n", Passes(1)),
        ("05\r\nhello\r\n00\r\n\r\n", Passes(1)),
        ("5;a=b\r\nhello\r\n0;c\r\n\r\n", Passes(1)),
        ("5;a=\"b;\"\r\nhello\r\n0\r\n\r\n", Passes(1)),
        ("5 \r\nhello\r\n0\r\n\r\n", Either),
        ("5;\0\r\nhello\r\n0\r\n\r\n", Either),
        (" 5\r\nhello\r\n0\r\n\r\n", Refused),
        ("+5\r\nhello\r\n0\r\n\r\n", Refused),
        ("-5\r\nhello\r\n0\r\n\r\n", Refused),
        ("0x5\r\nhello\r\n0\r\n\r\n", Refused),
        ("g\r\nhello\r\n0\r\n\r\n", Refused),
        ("\r\nhello\r\n0\r\n\r\n", Refused),
        ("5\nhello\n0\n\n", Refused),
        ("5\r\nhello\n0\r\n\r\n", Refused),
        ("5\r\nhello0\r\n\r\n", Refused),
        ("4\r\nhello\r\n0\r\n\r\n", Refused),
        ("6\r\nhello\r\n0\r\n\r\n", Refused),
        ("100000000000000005\r\nhello\r\n0\r\n\r\n", Refused),
        ("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", Refused),
        ("FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", Refused),
        ("5\r\nhello\r\n", Refused),
        ("5\r\nhel", Refused),
        ("5\r\nhello\r\n0\r\n", Refused),
        ("5\r\nhello\r\n0", Refused),
        ("", Refused),
        ("5\r\nhello\r\n0\r\nx : y\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\r\nx: \0\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n", Passes(1)),
        ("5\r\nhello\r\n0\r\ntransfer-encoding: gzip\r\n\r\n", Passes(1)),
        ("5\r\nhello\r\n0\r\nconnection: close\r\n\r\n", Passes(1)),
        ("5\r\nhello\r\n0\r\nx-serin-not-processed: 1\r\n\r\n", Passes(1)),
        ("5\r\nhello\r\n0\r\nx-serin-elsewhere: 1\r\n\r\n", Passes(1)),
    ];
    let trailer = "trailer: content-length, transfer-encoding, connection, x-serin-not-processed, \
                   x-serin-elsewhere\r\n";
    let mut cases = Vec::new();
    for (body, expect) in bodies {
        let fields = format!("transfer-encoding: chunked\r\n{trailer}");
        cases.push(case(format!("chunks {body:?}"), &ok(&fields, body), *expect));
    }
    let many = format!("5\r\nhello\r\n0\r\n{}\r\n", "x: y\r\n".repeat(3_000));
    cases.push(case(
        "three thousand trailers",
        &ok("transfer-encoding: chunked\r\n", &many),
        Refused,
    ));
    cases
}

/// Bodies where there is never one, and statuses that are none.
fn statuses() -> Vec<Case> {
    let mut cases = Vec::new();
    let framings = [
        ("", ""),
        ("content-length: 5\r\n", "hello"),
        ("content-length: 5\r\n", ""),
        ("content-length: 0\r\n", ""),
        ("transfer-encoding: chunked\r\n", CHUNKED),
        ("transfer-encoding: chunked\r\n", ""),
    ];
    for (fields, body) in framings {
        for start in ["204 No Content", "304 Not Modified", "205 Reset Content"] {
            let text = ok(fields, body).replacen("200 OK", start, 1);
            let whole = !start.starts_with("205") || !body.is_empty() || fields.contains(": 0");
            let expect = if whole { Passes(1) } else { Either };
            cases.push(case(format!("{start} {fields:?} {body:?}"), &text, expect));
        }
        for start in ["200 OK", "404 Not Found"] {
            let text = ok(fields, body).replacen("200 OK", start, 1);
            cases.push(case(format!("HEAD {start} {fields:?} {body:?}"), &text, Passes(1)));
        }
        for interim in ["100 Continue", "102 Processing", "103 Early Hints", "199 Odd"] {
            let text = ok(fields, body).replacen("200 OK", interim, 1)
                + &ok("content-length: 2\r\n", "ok");
            let expect = if fields.is_empty() { Passes(1) } else { Either };
            cases.push(case(format!("{interim} {fields:?} {body:?}, then 200"), &text, expect));
        }
        let text = ok(fields, body).replacen("200 OK", "101 Switching Protocols", 1);
        cases.push(case(format!("101 that nobody asked for {fields:?}"), &text, Refused));
        let upgrade = format!("connection: upgrade\r\nupgrade: websocket\r\n{fields}");
        let text = ok(&upgrade, body).replacen("200 OK", "101 Switching Protocols", 1);
        cases.push(case(format!("101 that nobody asked for {upgrade:?}"), &text, Refused));
    }
    for status in ["000", "099", "600", "999"] {
        let text = ok("content-length: 5\r\n", "hello").replacen("200", status, 1);
        cases.push(case(format!("status {status}"), &text, Either));
    }
    for status in ["", "2", "20", "2000", "2x0", "-20", "+20", "0x2", " 200", "20 0", "\u{b2}00"] {
        let text = ok("content-length: 5\r\n", "hello").replacen("200", status, 1);
        cases.push(case(format!("status {status:?}"), &text, Refused));
    }
    cases
}

fn lines() -> Vec<Case> {
    let mut cases = Vec::new();
    for (start, expect) in STARTS {
        let text = format!("{start}content-length: 5\r\n\r\nhello");
        cases.push(case(format!("{start:?}"), &text, *expect));
    }
    let fields: &[(&str, Expect)] = &[
        ("x: \u{e9}\u{ff}\r\n", Passes(1)),
        ("x:\r\n", Passes(1)),
        ("x: a\0b\r\n", Refused),
        ("x: a\rb\r\n", Refused),
        ("x: a\r\r\n", Refused),
        ("x: a\x1bb\r\n", Refused),
        ("x: a\ny: b\r\n", Either),
        ("x : y\r\n", Refused),
        ("x y: z\r\n", Refused),
        ("\u{e9}: z\r\n", Refused),
        (": y\r\n", Refused),
        ("x\r\n", Refused),
        ("x: a\r\n b\r\n", Refused),
        ("set-cookie: a=b\r\nset-cookie: c=d\r\n", Passes(1)),
    ];
    for (field, expect) in fields {
        let text = ok(&format!("{field}content-length: 5\r\n"), "hello");
        cases.push(case(format!("field {field:?}"), &text, *expect));
    }
    for (count, expect) in [(90, Passes(1)), (101, Either), (5_000, Refused)] {
        let text = ok(&format!("{}content-length: 5\r\n", "x: y\r\n".repeat(count)), "hello");
        cases.push(case(format!("{count} fields"), &text, expect));
    }
    for (length, expect) in [(8_000, Passes(1)), (60_000, Either), (200_000, Refused)] {
        let text = ok(&format!("x: {}\r\ncontent-length: 5\r\n", "y".repeat(length)), "hello");
        cases.push(case(format!("a value of {length} bytes"), &text, expect));
    }
    cases
}

const STARTS: &[(&str, Expect)] = &[
    ("HTTP/1.1 200 \r\n", Passes(1)),
    ("HTTP/1.1 200\r\n", Either),
    ("HTTP/1.1 200 All is well\r\n", Passes(1)),
    ("HTTP/1.1 200 \u{e9}\r\n", Either),
    ("HTTP/1.1 200 a\tb\r\n", Passes(1)),
    ("HTTP/1.1 200 a\0b\r\n", Refused),
    ("HTTP/1.1 200 a\rb\r\n", Refused),
    ("HTTP/1.1 200 a\x7fb\r\n", Refused),
    ("HTTP/1.1  200 OK\r\n", Refused),
    ("HTTP/1.1\t200 OK\r\n", Refused),
    ("HTTP/1.1 200 OK\n", Either),
    ("HTTP/1.1 200 OK\r\r\n", Refused),
    ("HTTP/1.0 200 OK\r\n", Passes(1)),
    ("HTTP/1.2 200 OK\r\n", Refused),
    ("HTTP/2.0 200 OK\r\n", Refused),
    ("HTTP/2 200\r\n", Refused),
    ("HTTP/0.9 200 OK\r\n", Refused),
    ("http/1.1 200 OK\r\n", Refused),
    ("HTTP/1.10 200 OK\r\n", Refused),
    ("ICY 200 OK\r\n", Refused),
    ("200 OK\r\n", Refused),
    (" HTTP/1.1 200 OK\r\n", Refused),
    ("\r\nHTTP/1.1 200 OK\r\n", Either),
    ("\0HTTP/1.1 200 OK\r\n", Refused),
    ("GET / HTTP/1.1\r\n", Refused),
    ("", Refused),
];

/// What comes after a response, and answers nothing.
fn leftovers() -> Vec<Case> {
    let whole = ok("content-length: 5\r\n", "hello");
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let mut cases = Vec::new();
    for (name, left) in [
        ("another response", evil.to_owned()),
        ("half a response", "HTTP/1.1 200 OK\r\ncont".to_owned()),
        ("many responses", evil.repeat(50)),
        ("an interim response", "HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        ("garbage", "\0\0\0\0".to_owned()),
        ("an empty line", "\r\n".to_owned()),
        ("a byte", "x".to_owned()),
    ] {
        cases.push(case(format!("{name} left over"), &format!("{whole}{left}"), Passes(1)));
        let chunked = ok("transfer-encoding: chunked\r\n", CHUNKED);
        cases.push(case(format!("{name} after chunks"), &format!("{chunked}{left}"), Passes(1)));
        let empty = ok("content-length: 0\r\n", "");
        cases.push(case(format!("{name} after nothing"), &format!("{empty}{left}"), Passes(1)));
        cases.push(case(format!("HEAD {name}"), &format!("{empty}{left}"), Passes(1)));
        let none = "HTTP/1.1 204 No Content\r\n\r\n";
        cases.push(case(format!("{name} after 204"), &format!("{none}{left}"), Passes(1)));
    }
    cases
}
