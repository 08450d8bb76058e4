//! Requests of HTTP/2 that would be two requests, or another one, in HTTP/1.

use super::{
    Expect::{self, Either, Passes, Refused},
    OWN,
};
use crate::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, fields, frame};

/// A request on stream 1.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) expect: Expect,
    head: Vec<(String, String)>,
    /// DATA frames, and trailers.
    body: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Data(&'static str),
    Trailers(Vec<(&'static str, &'static str)>),
}

impl Request {
    /// Its frames, with `path` as its own, and with what else a peer's proxy says.
    pub(crate) fn frames(&self, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
        let own: Vec<_> = self
            .head
            .iter()
            .map(|(name, value)| (name.clone(), value.replace(OWN, path)))
            .collect();
        let mut head: Vec<_> = own.iter().map(|(name, value)| (&**name, &**value)).collect();
        head.extend(more);
        let mut bytes = head_frames(&fields(&head), self.body.is_empty());
        for (number, part) in self.body.iter().enumerate() {
            let last = u8::from(number + 1 == self.body.len()) * END_STREAM;
            bytes.extend(match part {
                Part::Data(data) => frame(DATA, last, 1, data.as_bytes()),
                Part::Trailers(trailers) => {
                    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(trailers))
                }
            });
        }
        bytes
    }
}

/// A block of fields in as many frames as it takes.
fn head_frames(block: &[u8], ends: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pieces: Vec<_> = block.chunks(16_000).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let last = u8::from(number + 1 == pieces.len()) * END_HEADERS;
        let ends = u8::from(ends) * END_STREAM;
        bytes.extend(match number {
            0 => frame(HEADERS, last | ends, 1, piece),
            _ => frame(CONTINUATION, last, 1, piece),
        });
    }
    bytes
}

/// All of them.
pub(crate) fn all() -> Vec<Request> {
    let mut cases = lengths();
    cases.extend(heads());
    cases.extend(pseudo_headers());
    cases.extend(trailers());
    cases
}

fn request(name: String, head: &[(&str, &str)], body: Vec<Part>, expect: Expect) -> Request {
    let head = head.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { name, expect, head, body }
}

const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", OWN)];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    POST.iter().chain(more).copied().collect()
}

/// `content-length` against what comes.
fn lengths() -> Vec<Request> {
    let hello = || vec![Part::Data("hello")];
    let halves = || vec![Part::Data("hel"), Part::Data("lo")];
    let open = || vec![Part::Data("hello"), Part::Data("")];
    let mut cases = Vec::new();
    let lengths: &[(&[&str], Expect)] = &[
        (&[], Passes(1)),
        (&["5"], Passes(1)),
        (&["4"], Refused),
        (&["6"], Refused),
        (&["0"], Refused),
        (&["99"], Refused),
        (&["+5"], Refused),
        (&["-5"], Refused),
        (&["5 "], Refused),
        (&[" 5"], Refused),
        (&["0x5"], Refused),
        (&["five"], Refused),
        (&[""], Refused),
        (&["5,5"], Either),
        (&["5", "5"], Either),
        (&["5", "6"], Refused),
        (&["6", "5"], Refused),
        (&["0", "5"], Refused),
        (&["5", "0"], Refused),
        (&["18446744073709551621"], Refused),
        (&["05"], Either),
    ];
    for (values, expect) in lengths {
        let more: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
        for body in [hello(), halves(), open()] {
            let name = format!("lengths {values:?} of {body:?}");
            cases.push(request(name, &with(&more), body, *expect));
        }
        // Nothing comes, and the head says that something does.
        let expect = if values.is_empty() || *values == ["0"] { Passes(1) } else { Refused };
        for method in ["GET", "POST", "HEAD"] {
            let mut head = with(&more);
            head[0].1 = method;
            cases.push(request(
                format!("{method} lengths {values:?} of nothing"),
                &head,
                vec![],
                expect,
            ));
            let name = format!("{method} lengths {values:?} of an empty frame");
            cases.push(request(name, &head, vec![Part::Data("")], expect));
        }
    }
    cases
}

/// Fields that HTTP/1 knows, and bytes that end lines there.
fn heads() -> Vec<Request> {
    let heads: &[(&str, &str, Expect)] = &[
        ("transfer-encoding", "chunked", Refused),
        ("transfer-encoding", "identity", Refused),
        ("transfer-encoding ", "chunked", Refused),
        ("connection", "close", Refused),
        ("connection", "transfer-encoding", Refused),
        ("keep-alive", "timeout=9", Refused),
        ("proxy-connection", "close", Refused),
        ("upgrade", "h2c", Refused),
        ("http2-settings", "AAMAAABk", Either),
        ("te", "gzip", Refused),
        ("te", "trailers", Passes(1)),
        ("x", "a\r\nhost: evil", Refused),
        ("x", "a\r\n\r\nGET /evil HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
        ("x", "a\nb", Refused),
        ("x", "a\rb", Refused),
        ("x", "a\0b", Refused),
        ("x", " a ", Either),
        ("x", "\u{e9}", Passes(1)),
        ("x\r\nhost", "evil", Refused),
        ("x: y\r\nz", "1", Refused),
        ("x y", "1", Refused),
        ("x:", "1", Refused),
        ("", "1", Refused),
        ("X-Upper", "1", Refused),
        ("Content-Length", "9", Refused),
        ("x\0", "1", Refused),
        ("\u{e9}", "1", Refused),
        ("host", "a", Passes(1)),
        ("host", "b", Either),
        ("host", "a\r\nx: y", Refused),
        ("expect", "100-continue", Either),
        ("trailer", "content-length", Passes(1)),
        ("x-forwarded-client-cert", "URI=forged", Passes(1)),
        ("x-serin-client-version", "1.0", Either),
        ("x-serin-not-processed", "1", Passes(1)),
    ];
    let mut cases = Vec::new();
    for (name, value, expect) in heads {
        let head = with(&[(*name, *value)]);
        for body in [vec![], vec![Part::Data("hello")]] {
            cases.push(request(format!("{name:?}: {value:?} {body:?}"), &head, body, *expect));
        }
    }
    let head = with(&[("host", "a"), ("host", "b")]);
    cases.push(request("two hosts".to_owned(), &head, vec![], Refused));
    let long = "y".repeat(100_000);
    cases.push(request("a field of 100 kB".to_owned(), &with(&[("x", &long)]), vec![], Refused));
    let many: Vec<_> = std::iter::repeat_n(("x", "y"), 20_000).collect();
    cases.push(request("20,000 fields".to_owned(), &with(&many), vec![], Refused));
    cases
}

/// What becomes the request line and the host.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn pseudo_headers() -> Vec<Request> {
    let changes: &[(&str, &str, Expect)] = &[
        (":path", "~~ HTTP/1.1\r\nhost: a\r\n\r\nGET /evil", Refused),
        (":path", "~~ HTTP/1.1", Refused),
        (":path", "~~\r\nx: y", Refused),
        (":path", "~~/a b", Refused),
        (":path", "~~\t", Refused),
        (":path", "~~\0", Refused),
        (":path", "", Refused),
        (":path", "a~~", Either),
        (":path", "*", Either),
        (":path", "http://b~~", Either),
        (":path", "//b~~", Either),
        (":path", "~~#x", Either),
        (":path", "~~?a=b", Passes(1)),
        (":path", "?x", Either),
        (":method", "", Refused),
        (":method", "GET /evil HTTP/1.1\r\nx:", Refused),
        (":method", "GET ", Refused),
        (":method", "GE T", Refused),
        (":method", "get", Passes(1)),
        (":method", "CONNECT", Either),
        (":scheme", "http://evil/?", Either),
        (":scheme", "https", Passes(1)),
        (":scheme", "", Either),
        (":authority", "a b", Refused),
        (":authority", "a\r\nx: y", Refused),
        (":authority", "a/b", Refused),
        (":authority", "u@a", Either),
        (":authority", "", Either),
        (":authority", "a:x", Either),
        (":authority", "[::1", Refused),
    ];
    let mut cases = Vec::new();
    for (pseudo, value, expect) in changes {
        let mut head = with(&[]);
        for field in head.iter_mut().filter(|(name, _)| name == pseudo) {
            field.1 = value;
        }
        cases.push(request(format!("{pseudo} {value:?}"), &head, vec![], *expect));
        cases.push(request(
            format!("{pseudo} {value:?} with a body"),
            &head,
            vec![Part::Data("hello")],
            *expect,
        ));
    }
    for (name, _) in POST {
        let head: Vec<_> = with(&[]).into_iter().filter(|(own, _)| *own != name).collect();
        let expect = if name == ":authority" { Either } else { Refused };
        cases.push(request(format!("no {name}"), &head, vec![], expect));
        let twice =
            with(&[with(&[]).into_iter().find(|(own, _)| *own == name).unwrap_or_default()]);
        cases.push(request(format!("{name} twice"), &twice, vec![], Refused));
    }
    let late: Vec<_> = [("x", "y")].into_iter().chain(with(&[])).collect();
    cases.push(request("pseudo-headers after others".to_owned(), &late, vec![], Refused));
    cases.push(request(
        "a pseudo-header that is none".to_owned(),
        &with(&[(":evil", "1")]),
        vec![],
        Refused,
    ));
    cases.push(request("a response's".to_owned(), &with(&[(":status", "200")]), vec![], Refused));
    cases.push(request(
        "a protocol without CONNECT".to_owned(),
        &with(&[(":protocol", "websocket")]),
        vec![],
        Refused,
    ));
    cases
}

fn trailers() -> Vec<Request> {
    let fields: &[(&str, &str, Expect)] = &[
        ("x-sum", "7", Passes(1)),
        ("content-length", "9", Either),
        ("host", "evil", Either),
        ("transfer-encoding", "chunked", Refused),
        ("connection", "close", Refused),
        ("x-forwarded-client-cert", "URI=forged", Passes(1)),
        ("x", "a\r\nb", Refused),
        ("x\r\n", "a", Refused),
        ("X", "a", Refused),
        // Not what the RFC asks for, and yet nobody sees them.
        (":path", "/evil", Either),
        (":status", "200", Either),
    ];
    let mut cases = Vec::new();
    for (name, value, expect) in fields {
        let head = with(&[("trailer", "x-sum, content-length, host, x-forwarded-client-cert")]);
        for data in [vec![], vec![Part::Data("hello")]] {
            let body: Vec<_> =
                data.into_iter().chain([Part::Trailers(vec![(*name, *value)])]).collect();
            cases.push(request(format!("trailers {body:?}"), &head, body, *expect));
        }
    }
    cases
}
