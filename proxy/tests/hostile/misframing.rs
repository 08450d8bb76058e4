//! Frames of HTTP/2 that are out of place: each ends its stream or its connection, as RFC 9113
//! says, and nothing else.

use std::net::SocketAddr;

use futures::{StreamExt as _, stream};
use lab::Proxy;

use crate::{
    client::say,
    echo::Echo,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING,
        PRIORITISED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
        is_answered, is_over, is_told_off, preface, read,
    },
    stage::{Bystander, all_places_are_free, comes_to_rest, plain},
};

/// What becomes of the connection that a frame came on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    /// It is closed, with the reason or without.
    Ends,
    /// A request that follows is answered.
    GoesOn,
    /// The RFC leaves it open, or asks for less than hyper does.
    Either,
}
use Then::{Either, Ends, GoesOn};

/// A head of a request, as a block of fields.
fn head(path: &str) -> Vec<u8> {
    fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)])
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("/odd"))
}

fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("/odd"))
}

/// Names, and the frames after the preface. Streams up to 99 are theirs.
fn cases() -> Vec<(&'static str, Vec<Vec<u8>>, Then)> {
    let mut cases = streams();
    cases.extend(settings());
    cases.extend(windows());
    cases.extend(blocks());
    cases
}

fn streams() -> Vec<(&'static str, Vec<Vec<u8>>, Then)> {
    vec![
        ("DATA on stream 0", vec![frame(DATA, 0, 0, b"x")], Ends),
        ("DATA on an idle stream", vec![frame(DATA, 0, 1, b"x")], Ends),
        ("DATA after the end", vec![get(1), frame(DATA, 0, 1, b"x")], Either),
        (
            "DATA after a reset",
            vec![open(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), frame(DATA, 0, 1, b"x")],
            Either,
        ),
        ("DATA padded beyond its end", vec![open(1), frame(DATA, PADDED, 1, &[9, 0])], Ends),
        ("DATA with padding and no length", vec![open(1), frame(DATA, PADDED, 1, &[])], Ends),
        ("HEADERS on stream 0", vec![frame(HEADERS, END_HEADERS, 0, &head("/odd"))], Ends),
        ("HEADERS on an even stream", vec![get(2)], Ends),
        ("HEADERS on a lower stream", vec![get(7), get(5)], Ends),
        ("HEADERS twice", vec![open(1), open(1)], Either),
        ("HEADERS after the end", vec![get(1), get(1)], Either),
        (
            "HEADERS padded beyond their end",
            vec![frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0])],
            Ends,
        ),
        (
            "HEADERS that depend on themselves",
            vec![frame(
                HEADERS,
                END_HEADERS | END_STREAM | PRIORITISED,
                1,
                &[&[0, 0, 0, 1, 0], &head("/odd")[..]].concat(),
            )],
            Either,
        ),
        ("PRIORITY on stream 0", vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 0])], Ends),
        ("PRIORITY of a wrong length", vec![frame(PRIORITY, 0, 1, &[0, 0, 0])], Either),
        ("PRIORITY on itself", vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])], Either),
        ("PRIORITY on an idle stream", vec![frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 0])], GoesOn),
        ("RST_STREAM on stream 0", vec![frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])], Ends),
        ("RST_STREAM on an idle stream", vec![frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])], Ends),
        ("RST_STREAM of a wrong length", vec![open(1), frame(RST_STREAM, 0, 1, &[0])], Ends),
        ("RST_STREAM of an unknown code", vec![open(1), frame(RST_STREAM, 0, 1, &[9; 4])], GoesOn),
        (
            "PUSH_PROMISE from a client",
            vec![open(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])],
            Ends,
        ),
        (
            "a frame of an unknown kind",
            vec![frame(0x42, 0xff, 0, b"what"), frame(0x42, 0xff, 9, b"what")],
            GoesOn,
        ),
        ("GOAWAY", vec![frame(GOAWAY, 0, 0, &[0; 8])], Either),
        ("GOAWAY on a stream", vec![frame(GOAWAY, 0, 1, &[0; 8])], Ends),
        ("GOAWAY of a wrong length", vec![frame(GOAWAY, 0, 0, &[0; 3])], Ends),
    ]
}

fn settings() -> Vec<(&'static str, Vec<Vec<u8>>, Then)> {
    vec![
        ("SETTINGS on a stream", vec![frame(SETTINGS, 0, 1, &[])], Ends),
        ("SETTINGS of a wrong length", vec![frame(SETTINGS, 0, 0, &[0; 5])], Ends),
        ("an acknowledgement with settings", vec![frame(SETTINGS, ACK, 0, &[0; 6])], Ends),
        ("an acknowledgement of nothing", vec![frame(SETTINGS, ACK, 0, &[])], Either),
        ("a push setting of 2", vec![frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])], Ends),
        (
            "a window setting of 4 GiB",
            vec![frame(SETTINGS, 0, 0, &[0, 4, 255, 255, 255, 255])],
            Ends,
        ),
        ("a frame size setting of 1", vec![frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])], Ends),
        (
            "a frame size setting of 4 GiB",
            vec![frame(SETTINGS, 0, 0, &[0, 5, 255, 255, 255, 255])],
            Ends,
        ),
        ("an unknown setting", vec![frame(SETTINGS, 0, 0, &[9, 9, 255, 255, 255, 255])], GoesOn),
        ("a table of 4 GiB", vec![frame(SETTINGS, 0, 0, &[0, 1, 255, 255, 255, 255])], GoesOn),
        ("a list of no bytes", vec![frame(SETTINGS, 0, 0, &[0, 6, 0, 0, 0, 0])], Either),
        ("PING on a stream", vec![frame(PING, 0, 1, &[0; 8])], Ends),
        ("PING of a wrong length", vec![frame(PING, 0, 0, &[0; 7])], Ends),
        ("an answer to no PING", vec![frame(PING, ACK, 0, &[0; 8])], GoesOn),
        ("a frame larger than agreed", vec![open(1), frame(DATA, 0, 1, &[0; 20_000])], Ends),
        ("a block larger than agreed", vec![frame(HEADERS, END_HEADERS, 1, &[0; 20_000])], Ends),
    ]
}

fn windows() -> Vec<(&'static str, Vec<Vec<u8>>, Then)> {
    let most = &[0x7f, 255, 255, 255];
    vec![
        ("a window opened by nothing", vec![frame(WINDOW_UPDATE, 0, 0, &[0; 4])], Ends),
        (
            "a stream's window opened by nothing",
            vec![open(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])],
            Either,
        ),
        ("a window opened too far", vec![frame(WINDOW_UPDATE, 0, 0, most)], Ends),
        (
            "a stream's window opened too far",
            vec![open(1), frame(WINDOW_UPDATE, 0, 1, most)],
            GoesOn,
        ),
        ("WINDOW_UPDATE of a wrong length", vec![frame(WINDOW_UPDATE, 0, 0, &[1])], Ends),
        ("WINDOW_UPDATE on an idle stream", vec![frame(WINDOW_UPDATE, 0, 9, &[0, 0, 0, 1])], Ends),
        (
            "WINDOW_UPDATE after the end",
            vec![get(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
            GoesOn,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn blocks() -> Vec<(&'static str, Vec<Vec<u8>>, Then)> {
    let whole = head("/odd");
    let (front, back) = whole.split_at(whole.len() / 2);
    vec![
        ("CONTINUATION of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, &whole)], Ends),
        ("CONTINUATION on stream 0", vec![frame(CONTINUATION, END_HEADERS, 0, &whole)], Ends),
        (
            "CONTINUATION of what has ended",
            vec![get(1), frame(CONTINUATION, END_HEADERS, 1, &[])],
            Ends,
        ),
        (
            "CONTINUATION of another stream",
            vec![frame(HEADERS, END_STREAM, 1, front), frame(CONTINUATION, END_HEADERS, 3, back)],
            Ends,
        ),
        (
            "a block in two",
            vec![frame(HEADERS, END_STREAM, 1, front), frame(CONTINUATION, END_HEADERS, 1, back)],
            GoesOn,
        ),
        (
            "a block with DATA in between",
            vec![
                frame(HEADERS, 0, 1, front),
                frame(DATA, 0, 1, b"x"),
                frame(CONTINUATION, END_HEADERS, 1, back),
            ],
            Ends,
        ),
        (
            "a block with PING in between",
            vec![
                frame(HEADERS, 0, 1, front),
                frame(PING, 0, 0, &[0; 8]),
                frame(CONTINUATION, END_HEADERS, 1, back),
            ],
            Ends,
        ),
        (
            "a block with an unknown frame in between",
            vec![
                frame(HEADERS, 0, 1, front),
                frame(0x42, 0, 1, b"x"),
                frame(CONTINUATION, END_HEADERS, 1, back),
            ],
            Ends,
        ),
        ("a block that is cut", vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, front)], Ends),
        ("index 0", vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80])], Ends),
        (
            "an index beyond the table",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0x80, 1])],
            Ends,
        ),
        (
            "an index without end",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[255; 40])],
            Ends,
        ),
        (
            "a length beyond the block",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0, 0x7f, 255, 255, 3])],
            Ends,
        ),
        (
            "a table larger than agreed",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x3f, 255, 255, 255, 7])],
            Ends,
        ),
        (
            "a code that does not end",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0, 0x84, 255, 255, 255, 255])],
            Ends,
        ),
        ("no preface", vec![b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()], Either),
    ]
}

#[tokio::test]
async fn frames_out_of_place_end_their_stream_or_their_connection_and_nothing_else() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let cases = cases();
    let went: Vec<_> = stream::iter(&cases)
        .map(|(name, frames, then)| play(&proxy, name, frames, *then))
        .buffered(16)
        .collect()
        .await;
    let faults: Vec<_> = went.into_iter().flatten().collect();
    println!("{} cases", cases.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

/// Writes the frames, and then a request on a stream of its own.
async fn play(proxy: &Proxy, name: &str, frames: &[Vec<u8>], then: Then) -> Option<String> {
    let mut bytes = preface();
    bytes.extend(frames.concat());
    bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, LAST, &head("/last")));
    let outbound: SocketAddr = proxy.outbound();
    let heard = say(outbound, &bytes, |heard| is_over(heard, LAST)).await;
    let (ends, goes_on) =
        (heard.closed || is_told_off(&heard.bytes), is_answered(&heard.bytes, LAST));
    let is_so = match then {
        Ends => ends,
        GoesOn => goes_on,
        Either => ends || is_over(&heard.bytes, LAST),
    };
    (!is_so).then(|| format!("{name}: {then:?} expected, heard {:?}", read(&heard.bytes)))
}

const LAST: u32 = 101;
