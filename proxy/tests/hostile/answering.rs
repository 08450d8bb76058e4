//! Servers of HTTP/2 that answer wrongly, or end at every byte of an answer: their client is never
//! told anything whole that is not.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use crate::{
    client::say,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PUSH_PROMISE, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, fields, frame, is_answered, is_over, preface, read,
    },
    recorder::Then,
    stage::{comes_to_rest, plain},
    tasks::spawn,
};

/// What a server says once it has heard a request on stream 1.
#[derive(Clone, Debug)]
struct Answer {
    name: String,
    bytes: Vec<u8>,
    then: Then,
    whole: Whole,
}

/// Whether its client may take it for a whole answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whole {
    Yes,
    No,
    Either,
}

/// A server that gives each connection the same answer.
struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                spawn(async move { drop(serve(stream, &answer).await) });
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

async fn serve(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    let (mut heard, mut piece) = (Vec::new(), vec![0; 4096]);
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let begun = |heard: &[u8]| {
        heard.get(24..).is_some_and(|frames| read(frames).iter().any(|frame| frame.kind == HEADERS))
    };
    while !begun(&heard) {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            read => heard.extend_from_slice(&piece[..read]),
        }
    }
    stream.write_all(&answer.bytes).await?;
    if answer.then == Then::Reset {
        return SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    if answer.then == Then::Stay {
        while stream.read(&mut piece).await? > 0 {}
    }
    Ok(())
}

fn ok(more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x88];
    block.extend(fields(more));
    block
}

fn whole_answer() -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, 1, &ok(&[("content-type", "text/plain")])),
        frame(DATA, 0, 1, b"hello"),
        frame(DATA, 0, 1, b" world"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&[("x-sum", "7")])),
    ]
    .concat()
}

fn cuts() -> Vec<Answer> {
    let all = whole_answer();
    let mut cuts = Vec::new();
    for at in 0..=all.len() {
        for then in [Then::Close, Then::Reset] {
            let whole = match (at == all.len(), then) {
                (true, Then::Close) => Whole::Yes,
                // What was under way is lost with a reset.
                (true, _) => Whole::Either,
                (false, _) => Whole::No,
            };
            let name = format!("{then:?} after {at} bytes");
            cuts.push(Answer { name, bytes: all[..at].to_vec(), then, whole });
        }
    }
    cuts
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn oddities() -> Vec<Answer> {
    let head = |more: &[(&str, &str)]| frame(HEADERS, END_HEADERS, 1, &ok(more));
    let only = |more: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &ok(more));
    let raw = |block: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(block));
    let last = |data: &[u8]| frame(DATA, END_STREAM, 1, data);
    let (yes, no, either) = (Whole::Yes, Whole::No, Whole::Either);
    let oddities: Vec<(&str, Vec<Vec<u8>>, Whole)> = vec![
        ("all is well", vec![head(&[("content-length", "5")]), last(b"hello")], yes),
        ("a length that is too long", vec![head(&[("content-length", "6")]), last(b"hello")], no),
        ("a length that is too short", vec![head(&[("content-length", "4")]), last(b"hello")], no),
        ("a length of nothing", vec![only(&[("content-length", "5")])], no),
        ("a length that is none", vec![head(&[("content-length", "+5")]), last(b"hello")], no),
        (
            "two lengths",
            vec![head(&[("content-length", "5"), ("content-length", "6")]), last(b"hello")],
            no,
        ),
        ("a coding", vec![head(&[("transfer-encoding", "chunked")]), last(b"hello")], no),
        ("a connection option", vec![head(&[("connection", "close")]), last(b"hello")], no),
        ("a line end in a value", vec![only(&[("x", "a\r\ny: b")])], no),
        ("upper case", vec![only(&[("X", "a")])], no),
        ("no status", vec![raw(&[("x", "y")])], no),
        ("two statuses", vec![only(&[(":status", "200")])], no),
        ("a status that is none", vec![raw(&[(":status", "2x0")])], no),
        ("a request's pseudo-header", vec![only(&[(":path", "/")])], either),
        ("a switch of protocols", vec![raw(&[(":status", "101")])], no),
        ("an interim answer that is the last", vec![raw(&[(":status", "103")])], no),
        (
            "an interim answer before",
            vec![frame(HEADERS, END_HEADERS, 1, &fields(&[(":status", "103")])), only(&[])],
            either,
        ),
        ("DATA first", vec![frame(DATA, 0, 1, b"x"), only(&[])], no),
        ("DATA of another stream", vec![head(&[]), frame(DATA, END_STREAM, 3, b"x")], no),
        (
            "trailers that are not the end",
            vec![head(&[]), frame(HEADERS, END_HEADERS, 1, &fields(&[("x", "y")]))],
            no,
        ),
        (
            "a promise",
            vec![
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2], &fields(&[(":method", "GET")])[..]].concat(),
                ),
                only(&[]),
            ],
            no,
        ),
        (
            "a reset in the middle",
            vec![head(&[]), frame(DATA, 0, 1, b"x"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])],
            no,
        ),
        (
            "a reset without a reason in the middle",
            vec![head(&[]), frame(DATA, 0, 1, b"x"), frame(RST_STREAM, 0, 1, &[0; 4])],
            no,
        ),
        (
            "GOAWAY in the middle",
            vec![
                head(&[]),
                frame(DATA, 0, 1, b"x"),
                frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
            ],
            no,
        ),
        ("GOAWAY before", vec![frame(GOAWAY, 0, 0, &[0; 8])], no),
        (
            "DATA beyond the window",
            vec![head(&[]), frame(DATA, 0, 1, &[0; 16_000]).repeat(40), last(b"")],
            no,
        ),
        (
            "a window opened too far",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]), only(&[])],
            no,
        ),
        ("CONTINUATION of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, &ok(&[]))], no),
        (
            "a block that is cut",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x88, 0, 9])],
            no,
        ),
        (
            "a block without end",
            vec![
                frame(HEADERS, 0, 1, &ok(&[])),
                frame(CONTINUATION, 0, 1, &fields(&[("x", "y")])).repeat(1000),
            ],
            no,
        ),
        ("HTTP/1", vec![b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()], no),
        ("garbage", vec![vec![0xff; 500]], no),
    ];
    let answer = |(name, frames, whole): (&str, Vec<Vec<u8>>, Whole)| {
        // What stays open in the middle of a message is waited for.
        let then = if whole == Whole::No { Then::Close } else { Then::Stay };
        Answer { name: name.to_owned(), bytes: frames.concat(), then, whole }
    };
    oddities.into_iter().map(answer).collect()
}

#[tokio::test]
async fn an_answer_of_http2_that_is_cut_at_any_byte_is_never_taken_for_whole() {
    check(cuts()).await;
}

#[tokio::test]
async fn an_answer_of_http2_that_breaks_the_rules_is_never_taken_for_whole() {
    check(oddities()).await;
}

async fn check(answers: Vec<Answer>) {
    let count = answers.len();
    let faults: Vec<_> = stream::iter(answers).map(play).buffered(4).collect().await;
    let faults: Vec<_> = faults.into_iter().flatten().collect();
    println!("{count} cases");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A proxy for each, so that no connection is a stranger's.
async fn play(answer: Answer) -> Option<String> {
    let server = Server::start(answer.clone()).await;
    let proxy = plain(server.address);
    let head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let mut asks = preface();
    asks.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&head)));
    let heard = say(proxy.outbound(), &asks, |heard| is_over(heard, 1)).await;
    let is_whole = is_answered(&heard.bytes, 1);
    let is_so = match answer.whole {
        Whole::Yes => is_whole,
        Whole::No => !is_whole && (is_over(&heard.bytes, 1) || heard.closed),
        Whole::Either => true,
    };
    comes_to_rest(&proxy).await;
    (!is_so).then(|| format!("{}: heard {:?}", answer.name, read(&heard.bytes)))
}
