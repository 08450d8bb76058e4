//! Requests of HTTP/1 that readers have been known to disagree about.

use super::{
    Case,
    Expect::{self, Either, Opaque, Passes, Refused, Waits},
};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let groups: [fn() -> Vec<Case>; 12] = [
        codings_and_lengths,
        lengths,
        chunk_sizes,
        chunk_ends,
        trailers,
        lines,
        targets,
        hosts,
        fields,
        connection_options,
        bodies_of_methods,
        pipelines,
    ];
    groups.iter().flat_map(|group| group()).collect()
}

const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";
/// What shows that a reader took too much or too little.
const NEXT: &str = "GET ~~/next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST ~~ HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}{NEXT}")
}

fn get(fields: &str) -> String {
    post(fields, "").replace("POST", "GET")
}

/// `Transfer-Encoding` in many spellings, beside `Content-Length` in several.
fn codings_and_lengths() -> Vec<Case> {
    let lengths = [None, Some("0"), Some("3"), Some("15"), Some("99")];
    let mut cases = Vec::new();
    for (field, alone) in CODINGS {
        for length in lengths {
            let Some(length) = length else {
                cases.push(Case::new(format!("{field:?}"), &post(field, CHUNKED), *alone));
                continue;
            };
            let expect = if *alone == Refused { Refused } else { Either };
            let length = format!("content-length: {length}\r\n");
            for fields in [format!("{field}{length}"), format!("{length}{field}")] {
                cases.push(Case::new(format!("{fields:?}"), &post(&fields, CHUNKED), expect));
            }
        }
    }
    cases
}

/// With what is to come of them where there is no length.
const CODINGS: &[(&str, Expect)] = &[
    ("Transfer-Encoding: chunked\r\n", Passes(2)),
    ("transfer-encoding:chunked\r\n", Passes(2)),
    ("TRANSFER-ENCODING: CHUNKED\r\n", Passes(2)),
    ("Transfer-Encoding:\tchunked\r\n", Passes(2)),
    ("Transfer-Encoding: chunked \r\n", Passes(2)),
    ("Transfer-Encoding: chunked\t\r\n", Passes(2)),
    ("Transfer-Encoding : chunked\r\n", Refused),
    ("Transfer-Encoding\t: chunked\r\n", Refused),
    (" Transfer-Encoding: chunked\r\n", Refused),
    ("Transfer-Encoding:\x0bchunked\r\n", Refused),
    ("Transfer-Encoding:\x0cchunked\r\n", Refused),
    ("Transfer-Encoding: \0chunked\r\n", Refused),
    ("Transfer-Encoding: chunked\0\r\n", Refused),
    ("Transfer-Encoding: chunked\x0b\r\n", Refused),
    ("Transfer-Encoding: xchunked\r\n", Refused),
    ("Transfer-Encoding: chunkedx\r\n", Refused),
    ("Transfer-Encoding: chunked, identity\r\n", Refused),
    ("Transfer-Encoding: identity, chunked\r\n", Refused),
    ("Transfer-Encoding: chunked, chunked\r\n", Refused),
    ("Transfer-Encoding: gzip, chunked\r\n", Refused),
    ("Transfer-Encoding: chunked, gzip\r\n", Refused),
    ("Transfer-Encoding: chunked;q=1\r\n", Refused),
    ("Transfer-Encoding: \"chunked\"\r\n", Refused),
    ("Transfer-Encoding: chunked,\r\n", Either),
    ("Transfer-Encoding: ,chunked\r\n", Either),
    ("Transfer-Encoding: identity\r\n", Refused),
    ("Transfer-Encoding: cow\r\n", Refused),
    ("Transfer-Encoding:\r\n", Refused),
    ("Transfer-Encoding: chun ked\r\n", Refused),
    ("Transfer-Encoding: chun\u{e2}\u{84}\u{aa}ed\r\n", Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refused),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n", Refused),
    ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Refused),
    ("Transfer-Encoding:\r\n chunked\r\n", Refused),
    ("Transfer-Encoding: chunked\r\n , identity\r\n", Refused),
    ("X: y\rTransfer-Encoding: chunked\r\n", Refused),
    ("X: y\nTransfer-Encoding: chunked\r\n", Either),
    ("Transfer-Encoding: chunked\n", Either),
    ("Transfer_Encoding: chunked\r\n", Passes(1)),
    ("X-Transfer-Encoding: chunked\r\n", Passes(1)),
    ("Transfer-Encoding\u{e2}\u{80}\u{8b}: chunked\r\n", Refused),
    ("Transfer-Encoding\0: chunked\r\n", Refused),
    ("Transfer Encoding: chunked\r\n", Refused),
    (":Transfer-Encoding: chunked\r\n", Refused),
];

/// `Content-Length` in many spellings, and several of them.
fn lengths() -> Vec<Case> {
    let values =
        LENGTHS.iter().map(|(value, expect)| (format!("content-length: {value}\r\n"), expect));
    let fields = LENGTH_FIELDS.iter().map(|(field, expect)| ((*field).to_owned(), expect));
    let all = values.chain(fields);
    all.map(|(field, expect)| Case::new(format!("{field:?}"), &post(&field, "hello"), *expect))
        .collect()
}

const LENGTH_FIELDS: &[(&str, Expect)] = &[
    ("Content-Length: 5\r\nContent-Length: 5\r\n", Either),
    ("Content-Length: 5\r\nContent-Length: 6\r\n", Refused),
    ("Content-Length: 0\r\nContent-Length: 5\r\n", Refused),
    ("Content-Length: 5\r\nContent-Length: 0\r\n", Refused),
    ("Content-Length: 5\r\ncontent-length: 05\r\n", Either),
    ("Content-Length: 5\r\nContent-Length:\r\n", Refused),
    ("Content-Length: 5\r\nContent-Length: +5\r\n", Refused),
    ("Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\nContent-Length: 4\r\n", Refused),
    ("Content-Length : 5\r\n", Refused),
    ("Content-Length\t: 5\r\n", Refused),
    (" Content-Length: 5\r\n", Refused),
    ("Content-Length\0: 5\r\n", Refused),
    ("Content-Length:\r\n 5\r\n", Refused),
    ("Content-Length: 0\r\n 5\r\n", Refused),
    ("Content-Length: 5\rX: y\r\n", Refused),
    ("X: y\nContent-Length: 5\r\n", Either),
    ("Content-Length: 5\nX: y\r\n", Either),
    ("Content_Length: 5\r\n", Passes(2)),
    ("Content-Length-X: 5\r\n", Passes(2)),
    ("Content\u{ad}-Length: 5\r\n", Refused),
];

const LENGTHS: &[(&str, Expect)] = &[
    ("5", Passes(2)),
    (" 5", Passes(2)),
    ("\t5\t", Passes(2)),
    ("5   ", Passes(2)),
    ("05", Either),
    ("0000000000000000000000000005", Either),
    ("+5", Refused),
    ("-5", Refused),
    ("-0", Refused),
    ("+0", Refused),
    ("0x5", Refused),
    ("5,5", Either),
    ("5, 5", Either),
    ("5,6", Refused),
    ("5 5", Refused),
    ("5;", Refused),
    ("5,", Refused),
    (",5", Refused),
    ("5.0", Refused),
    ("5e0", Refused),
    ("1_0", Refused),
    ("", Refused),
    ("five", Refused),
    ("\"5\"", Refused),
    ("5\0", Refused),
    ("\x0b5", Refused),
    ("\u{d9}\u{a5}", Refused),
    ("\u{b2}", Refused),
    ("4294967301", Waits),
    ("9223372036854775807", Waits),
    ("18446744073709551614", Refused),
    ("18446744073709551615", Refused),
    ("18446744073709551616", Refused),
    ("18446744073709551621", Refused),
    ("36893488147419103237", Refused),
    ("99999999999999999999999999999999", Refused),
];

fn chunked(body: &str) -> String {
    post("transfer-encoding: chunked\r\n", body)
}

/// Sizes of chunks, and what may stand beside them.
fn chunk_sizes() -> Vec<Case> {
    let long = format!("5;{}", "x".repeat(20_000));
    let sizes: &[(&str, Expect)] = &[
        ("5", Passes(2)),
        ("05", Passes(2)),
        ("0000000000000005", Either),
        ("00000000000000005", Either),
        ("0000000000000000000000000000000000000005", Either),
        ("5 ", Either),
        ("5\t", Either),
        (" 5", Refused),
        ("+5", Refused),
        ("-5", Refused),
        ("0x5", Refused),
        ("5h", Refused),
        ("g", Refused),
        ("", Refused),
        (";", Refused),
        (";5", Refused),
        ("5,5", Refused),
        ("5 5", Refused),
        ("5\0", Refused),
        ("\x005", Refused),
        ("\u{b2}", Refused),
        ("\"5\"", Refused),
        ("5;ext", Passes(2)),
        ("5;a=b", Passes(2)),
        ("5 ; a = b", Either),
        ("5;a=\"b;c\"", Passes(2)),
        ("5;a=\"b\\\"c\"", Passes(2)),
        ("5;;;", Either),
        ("5;\0", Either),
        ("5;a\rb", Refused),
        ("5;a\nb", Refused),
        ("5\n", Refused),
        ("5\r", Refused),
        (&long, Refused),
        ("10000000000000005", Refused),
        ("100000000000000005", Refused),
        ("FFFFFFFFFFFFFFFF", Waits),
        ("fffffffffffffffb", Waits),
        ("7FFFFFFFFFFFFFFF", Waits),
        ("8000000000000000", Waits),
        ("FFFFFFFFFFFFFFFFF", Refused),
        ("80000005", Waits),
        ("100000005", Waits),
        ("4", Refused),
        ("6", Refused),
        ("7", Refused),
    ];
    let case = |(size, expect): &(&str, Expect)| {
        let name: String = size.chars().take(40).collect();
        Case::new(
            format!("chunk size {name:?}"),
            &chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")),
            *expect,
        )
    };
    sizes.iter().map(case).collect()
}

/// How chunks and bodies end.
fn chunk_ends() -> Vec<Case> {
    let bodies: &[(&str, Expect)] = &[
        ("5\nhello\n0\n\n", Refused),
        ("5\nhello\r\n0\r\n\r\n", Refused),
        ("5\r\nhello\n0\r\n\r\n", Refused),
        ("5\r\nhello\r0\r\n\r\n", Refused),
        ("5\r\nhello0\r\n\r\n", Refused),
        ("5\r\nhelloXX0\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\n\n", Refused),
        ("5\r\nhello\r\n0\r\n\n", Either),
        ("5\r\nhello\r\n0\r\r\n", Refused),
        ("5\r\nhello\r\n0\r\n\rX", Refused),
        ("5\r\nhello\r\n00\r\n\r\n", Passes(2)),
        ("5\r\nhello\r\n000000000000000000\r\n\r\n", Either),
        ("5\r\nhello\r\n0;e=f\r\n\r\n", Passes(2)),
        ("5\r\nhello\r\n0 \r\n\r\n", Either),
        ("5\r\nhello\r\n-0\r\n\r\n", Refused),
        ("5\r\nhello\r\n\r\n0\r\n\r\n", Refused),
        ("0\r\n\r\n", Passes(2)),
        ("0\r\n\r\n\r\n", Either),
        ("0\r\n\r\n0\r\n\r\n", Passes(1)),
        ("0\r\n\r\nGET ~~/inner HTTP/1.1\r\nhost: a\r\n\r\n", Passes(3)),
        ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", Passes(2)),
    ];
    let case = |(body, expect): &(&str, Expect)| {
        Case::new(format!("chunks {body:?}"), &chunked(body), *expect)
    };
    bodies.iter().map(case).collect()
}

/// Trailers, announced or not.
fn trailers() -> Vec<Case> {
    let fields: &[(&str, &str, Expect)] = &[
        ("x-sum", "x-sum: 7\r\n", Passes(2)),
        ("content-length", "content-length: 5\r\n", Passes(2)),
        ("transfer-encoding", "transfer-encoding: chunked\r\n", Passes(2)),
        ("host", "host: evil\r\n", Passes(2)),
        ("connection", "connection: close\r\n", Passes(2)),
        ("keep-alive", "keep-alive: timeout=9\r\n", Passes(2)),
        ("trailer", "trailer: host\r\n", Passes(2)),
        ("te", "te: gzip\r\n", Passes(2)),
        ("upgrade", "upgrade: h2c\r\n", Passes(2)),
        ("x-forwarded-client-cert", "x-forwarded-client-cert: URI=forged\r\n", Passes(2)),
        ("x-serin-client-version", "x-serin-client-version: 2\r\n", Passes(2)),
        ("x-serin-not-processed", "x-serin-not-processed: 1\r\n", Passes(2)),
        ("x-serin-elsewhere", "x-serin-elsewhere: 1\r\n", Passes(2)),
        ("authorization", "authorization: forged\r\n", Passes(2)),
        ("x", "x : y\r\n", Refused),
        ("x", " x: y\r\n", Refused),
        ("x", "x: y\r\n z\r\n", Either),
        ("x", "x\r\n", Refused),
        ("x", "x: \0\r\n", Refused),
        ("x", "x: a\rb\r\n", Refused),
        ("x", "x: a\ny: b\r\n", Either),
        ("x", "x y: z\r\n", Refused),
        ("x", ": z\r\n", Refused),
        ("x", "GET /evil HTTP/1.1\r\n", Refused),
    ];
    let mut cases = Vec::new();
    for (name, line, expect) in fields {
        for announced in ["", "te: trailers\r\n"] {
            let head = format!("transfer-encoding: chunked\r\ntrailer: {name}\r\n{announced}");
            let bytes = post(&head, &format!("5\r\nhello\r\n0\r\n{line}\r\n"));
            cases.push(Case::new(format!("trailer {line:?} {announced:?}"), &bytes, *expect));
        }
    }
    let many = format!("0\r\n{}\r\n", "x: y\r\n".repeat(2_000));
    cases.push(Case::new("two thousand trailers", &chunked(&many), Refused));
    let long = format!("0\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    cases.push(Case::new("a trailer of 100 kB", &chunked(&long), Refused));
    cases
}

/// Request lines, and how lines end.
fn lines() -> Vec<Case> {
    let mut cases = Vec::new();
    for (start, expect) in STARTS {
        let bytes = format!("{start}host: a\r\nconnection: close\r\n\r\n");
        cases.push(Case::new(format!("{start:?}"), &bytes, *expect));
    }
    let line = format!("{} ~~ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "M".repeat(300));
    cases.push(Case::new("a method of 300 letters", &line, Either));
    for (what, bytes) in [
        (
            "all lines end in LF",
            "POST ~~ HTTP/1.1\nhost: a\ncontent-length: 5\nconnection: close\n\nhello",
        ),
        ("the head ends in LF CRLF", "GET ~~ HTTP/1.1\r\nhost: a\r\nconnection: close\n\r\n"),
        ("the head ends in CRLF LF", "GET ~~ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\n"),
        ("the head ends in CR CR LF", "GET ~~ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\r\n"),
    ] {
        cases.push(Case::new(what, bytes, Either));
    }
    cases
}

const STARTS: &[(&str, Expect)] = &[
    ("GET ~~ HTTP/1.1\r\n", Passes(1)),
    ("\r\nGET ~~ HTTP/1.1\r\n", Either),
    ("\r\n\r\n\r\nGET ~~ HTTP/1.1\r\n", Either),
    ("\nGET ~~ HTTP/1.1\r\n", Either),
    ("\rGET ~~ HTTP/1.1\r\n", Either),
    (" GET ~~ HTTP/1.1\r\n", Opaque),
    ("\tGET ~~ HTTP/1.1\r\n", Opaque),
    ("\0GET ~~ HTTP/1.1\r\n", Opaque),
    ("GET  ~~ HTTP/1.1\r\n", Either),
    ("GET ~~  HTTP/1.1\r\n", Either),
    ("GET\t~~ HTTP/1.1\r\n", Opaque),
    ("GET ~~\tHTTP/1.1\r\n", Opaque),
    ("GET ~~ HTTP/1.1 \r\n", Opaque),
    ("GET ~~ HTTP/1.1\t\r\n", Opaque),
    ("GET ~~ HTTP/1.1\x0b\r\n", Opaque),
    ("GET ~~ HTTP/1.1\r\r\n", Either),
    ("GET ~~ HTTP/1.1\n", Either),
    ("GET ~~ HTTP/1.1\r", Opaque),
    ("GET ~~\r\n", Opaque),
    ("GET ~~ \r\n", Opaque),
    ("GET\r\n", Opaque),
    ("GET ~~ HTTP/0.9\r\n", Opaque),
    ("GET ~~ HTTP/1.2\r\n", Opaque),
    ("GET ~~ HTTP/2.0\r\n", Opaque),
    ("GET ~~ HTTP/2\r\n", Opaque),
    ("GET ~~ HTTP/1.10\r\n", Opaque),
    ("GET ~~ HTTP/1.\r\n", Opaque),
    ("GET ~~ HTTP/1\r\n", Opaque),
    ("GET ~~ HTTP/11\r\n", Opaque),
    ("GET ~~ HTTP/1,1\r\n", Opaque),
    ("GET ~~ http/1.1\r\n", Opaque),
    ("GET ~~ Http/1.1\r\n", Opaque),
    ("GET ~~ HTTP /1.1\r\n", Opaque),
    ("GET ~~ HTTP/ 1.1\r\n", Opaque),
    ("GET ~~ HTTP/-1.1\r\n", Opaque),
    ("GET ~~ HTTP/1.1 HTTP/1.1\r\n", Refused),
    ("GET ~~ ~~ HTTP/1.1\r\n", Refused),
    ("get ~~ HTTP/1.1\r\n", Passes(1)),
    ("GE\0T ~~ HTTP/1.1\r\n", Opaque),
    ("G(T ~~ HTTP/1.1\r\n", Opaque),
    ("G\u{c9}T ~~ HTTP/1.1\r\n", Opaque),
    ("GET: ~~ HTTP/1.1\r\n", Opaque),
    ("\"GET\" ~~ HTTP/1.1\r\n", Opaque),
    ("M-SEARCH ~~ HTTP/1.1\r\n", Passes(1)),
    ("PRI * HTTP/2.0\r\n", Either),
    ("PRI ~~ HTTP/1.1\r\n", Passes(1)),
    ("HTTP/1.1 200 OK\r\n", Opaque),
];

/// Request targets.
fn targets() -> Vec<Case> {
    let targets: &[(&str, Expect)] = &[
        ("http://a~~", Passes(2)),
        ("HTTP://A~~", Either),
        ("http://b~~", Either),
        ("http://a:80~~", Either),
        ("http://user@a~~", Either),
        ("http://user:secret@a~~", Either),
        ("http://a:x~~", Either),
        ("http://a:99999~~", Either),
        ("http://~~", Either),
        ("http://[::1~~", Refused),
        ("http://a", Either),
        ("http://a?x", Either),
        ("https://a~~", Either),
        ("ftp://a~~", Either),
        ("http:~~", Either),
        ("//a~~", Either),
        ("~~?a=b&c=d", Passes(2)),
        ("~~#fragment", Either),
        ("~~?a b", Refused),
        ("~~/a b", Refused),
        ("~~/%20%0d%0a", Passes(2)),
        ("~~/%00", Passes(2)),
        ("~~/../..//.", Passes(2)),
        ("~~\\..\\", Either),
        ("~~/\x01", Either),
        ("~~/\x7f", Either),
        ("~~/\0", Either),
        ("~~/\u{e9}", Either),
        ("~~/\u{c3}\u{a9}", Either),
        ("~~/{}|^`\"<>", Either),
        ("*", Either),
        ("a:80", Either),
        ("a", Either),
        ("?x", Either),
        ("#x", Refused),
        (":80", Either),
        ("@", Either),
    ];
    let mut cases = Vec::new();
    for (target, expect) in targets {
        let bytes = get("").replacen("~~", target, 1);
        cases.push(Case::new(format!("target {target:?}"), &bytes, *expect));
    }
    let long = get("").replacen("~~", &format!("~~/{}", "a".repeat(60_000)), 1);
    cases.push(Case::new("a target of 60 kB", &long, Either));
    let longer = get("").replacen("~~", &format!("~~/{}", "a".repeat(200_000)), 1);
    cases.push(Case::new("a target of 200 kB", &longer, Refused));
    cases.push(Case::new("OPTIONS *", &get("").replacen("GET ~~", "OPTIONS *", 1), Either));
    cases
}

/// Who is asked.
fn hosts() -> Vec<Case> {
    let hosts: &[(&str, Expect)] = &[
        ("", Refused),
        ("host: a\r\nhost: a\r\n", Refused),
        ("host: a\r\nhost: b\r\n", Refused),
        ("host: a\r\nHOST: b\r\n", Refused),
        ("host: a\r\nx: y\r\nHost:\r\n", Refused),
        ("host: a\r\nhost : b\r\n", Refused),
        ("host : a\r\n", Refused),
        (" host: a\r\n", Refused),
        ("host:\r\n a\r\n", Refused),
        ("host: a\r\n host: b\r\n", Refused),
        ("host: a\rhost: b\r\n", Refused),
        ("host: a\nhost: b\r\n", Refused),
        ("host: a\0b\r\n", Refused),
        ("host:\r\n", Either),
        ("host: a, b\r\n", Either),
        ("host: a b\r\n", Either),
        ("host: a/b\r\n", Either),
        ("host: a?b\r\n", Either),
        ("host: a#b\r\n", Either),
        ("host: u@a\r\n", Either),
        ("host: a:99999\r\n", Either),
        ("host: a:b\r\n", Either),
        ("host: [::1\r\n", Either),
        ("host: \u{e9}\r\n", Either),
        ("host: a\r\nx-forwarded-host: b\r\n", Passes(2)),
        ("host: a\r\n:authority: b\r\n", Refused),
    ];
    let mut cases = Vec::new();
    for (fields, expect) in hosts {
        let bytes = get("").replacen("host: a\r\n", fields, 1);
        cases.push(Case::new(format!("hosts {fields:?}"), &bytes, *expect));
    }
    for fields in ["host: b\r\n", "host: a\r\n", "host: a\r\nhost: a\r\n", ""] {
        let bytes = get("").replacen("~~", "http://a~~", 1).replacen("host: a\r\n", fields, 1);
        let expect = if fields == "host: a\r\n" { Passes(2) } else { Either };
        cases.push(Case::new(format!("http://a with {fields:?}"), &bytes, expect));
    }
    cases
}

/// Fields that are none, or more than one.
fn fields() -> Vec<Case> {
    let fields: &[(&str, Expect)] = &[
        ("x: y\r\n", Passes(2)),
        ("x:\r\n", Passes(2)),
        ("x:y\r\n", Passes(2)),
        ("x: \u{e9}\u{ff}\r\n", Passes(2)),
        ("x: a\tb\r\n", Passes(2)),
        ("x: a\0b\r\n", Refused),
        ("x: a\x01b\r\n", Refused),
        ("x: a\x0bb\r\n", Refused),
        ("x: a\x1bb\r\n", Refused),
        ("x: a\x7fb\r\n", Refused),
        ("x: a\rb\r\n", Refused),
        ("x: a\r\r\n", Refused),
        ("x: a\ny: b\r\n", Passes(2)),
        ("x : y\r\n", Refused),
        ("x\t: y\r\n", Refused),
        ("x y: z\r\n", Refused),
        ("x\0: y\r\n", Refused),
        ("\u{e9}: y\r\n", Refused),
        ("x(y): z\r\n", Refused),
        (": y\r\n", Refused),
        ("x\r\n", Refused),
        ("x: a\r\n b\r\n", Refused),
        ("x: a\r\n\tb\r\n", Refused),
        ("x: a\r\n \r\n", Refused),
        ("\r\nx: y\r\n", Passes(1)),
        ("Content-Type: a\r\ncontent-type: b\r\n", Passes(2)),
        ("expect: 200-ok\r\n", Either),
        ("x-forwarded-client-cert: URI=forged\r\n", Passes(2)),
        ("x-serin-client-version: 2\r\n", Passes(2)),
        ("keep-alive: timeout=9\r\n", Passes(2)),
        ("proxy-connection: keep-alive\r\n", Passes(2)),
        ("te: gzip\r\n", Passes(2)),
        ("te: trailers, chunked\r\n", Passes(2)),
    ];
    let mut cases = Vec::new();
    for (field, expect) in fields {
        cases.push(Case::new(format!("field {field:?}"), &get(field), *expect));
    }
    for (count, expect) in [(90, Passes(2)), (98, Either), (101, Either), (5_000, Refused)] {
        let bytes = get(&"x: y\r\n".repeat(count));
        cases.push(Case::new(format!("{count} fields"), &bytes, expect));
    }
    for (length, expect) in [(8_000, Passes(2)), (60_000, Either), (200_000, Refused)] {
        let value = get(&format!("x: {}\r\n", "y".repeat(length)));
        cases.push(Case::new(format!("a value of {length} bytes"), &value, expect));
        let name = get(&format!("{}: y\r\n", "x".repeat(length)));
        cases.push(Case::new(format!("a name of {length} bytes"), &name, expect));
    }
    cases
}

/// Fields that `Connection` names, among them those that frame and route.
fn connection_options() -> Vec<Case> {
    let options = [
        "content-length",
        "Content-Length, Host",
        "transfer-encoding",
        "close, transfer-encoding",
        "host",
        "HOST",
        "keep-alive, host, content-length, transfer-encoding",
        "x-forwarded-client-cert",
        "x-serin-client-version",
        "te",
        "trailer",
        "upgrade",
        "connection",
        "content-type",
        ",,,",
        "",
        "\u{e9}",
        "a b",
        "\"host\"",
    ];
    let mut cases = Vec::new();
    for option in options {
        let expect = if option.contains("close") { Passes(1) } else { Passes(2) };
        for (fields, body) in [
            ("content-length: 5\r\n", "hello"),
            ("transfer-encoding: chunked\r\n", CHUNKED),
            ("", ""),
        ] {
            for lines in [
                format!("connection: {option}\r\n{fields}"),
                format!("{fields}Connection: X-Hop\r\nx-hop: y\r\nCONNECTION: {option}\r\n"),
            ] {
                cases.push(Case::new(format!("{lines:?}"), &post(&lines, body), expect));
            }
        }
    }
    cases
}

/// Bodies where one reader expects none, upgrades, and HTTP/1.0.
fn bodies_of_methods() -> Vec<Case> {
    let mut cases = Vec::new();
    let framings = [
        ("content-length: 5\r\n", "hello"),
        ("transfer-encoding: chunked\r\n", CHUNKED),
        ("content-length: 0\r\n", ""),
        ("", ""),
    ];
    let add_to = |cases: &mut Vec<Case>, text: String, expect| {
        cases.push(Case::new(format!("{:?}", text.trim_end_matches(NEXT)), &text, expect));
    };
    for (fields, body) in framings {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"] {
            add_to(&mut cases, post(fields, body).replacen("POST", method, 1), Passes(2));
        }
        for target in ["a:80", "~~", "http://a~~"] {
            let text = post(fields, body).replacen("POST ~~", &format!("CONNECT {target}"), 1);
            add_to(&mut cases, text, Either);
        }
        for upgrade in ["websocket", "h2c\r\nhttp2-settings: AAMAAABkAAQAAP__", "TLS/1.0", "\0"] {
            let fields = format!("connection: upgrade\r\nupgrade: {upgrade}\r\n{fields}");
            let expect = if upgrade == "\0" { Refused } else { Passes(2) };
            add_to(&mut cases, post(&fields, body), expect);
        }
        for version in ["", "connection: keep-alive\r\n", "connection: close\r\n"] {
            let text =
                post(&format!("{version}{fields}"), body).replacen("HTTP/1.1", "HTTP/1.0", 1);
            let expect = if fields.starts_with('t') {
                Refused
            } else if version.contains("alive") {
                Passes(2)
            } else {
                Passes(1)
            };
            add_to(&mut cases, text.clone(), expect);
            add_to(&mut cases, text.replacen("host: a\r\n", "", 1), expect);
        }
        let expecting = post(&format!("expect: 100-continue\r\n{fields}"), body);
        add_to(&mut cases, expecting, Either);
    }
    cases
}

/// Several requests at once.
fn pipelines() -> Vec<Case> {
    let one = "POST ~~ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let two = format!("POST ~~ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{CHUNKED}");
    let evil = "POST ~~ HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 6\r\n\r\nhello";
    let mut cases = Vec::new();
    for count in [1, 2, 5, 9] {
        let bytes = format!("{one}{two}").repeat(count) + NEXT;
        cases.push(Case::new(format!("{count} times two"), &bytes, Passes(2 * count + 1)));
        let bytes = format!("{one}{two}").repeat(count) + evil + NEXT;
        cases.push(Case::new(format!("{count} times two, then a lie"), &bytes, Passes(2 * count)));
    }
    for between in ["\r\n", "\r\n\r\n", "\n", "\0", " ", "garbage\r\n\r\n"] {
        let bytes = format!("{one}{between}{two}{NEXT}");
        cases.push(Case::new(format!("{between:?} in between"), &bytes, Either));
    }
    cases
}
