//! Peers that say very much: the proxy ends what has no end, or takes it at its own pace, and has
//! room and time for others.

use std::{collections::BTreeMap, net::SocketAddr};

use lab::Proxy;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Heard, say},
    echo::Echo,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, fields, frame, integer, is_answered, is_over, is_told_off, preface,
    },
    recorder::{Answer, Recorder, Then},
    stage::{Bystander, PATIENCE, all_places_are_free, comes_to_rest, plain},
};

/// What became of a flood.
#[derive(Debug, Eq, PartialEq)]
enum Flood {
    /// It was cut off after so many bytes.
    CutOff(usize),
    /// All of it was taken.
    Taken,
    /// Nobody takes it any more, and it is its sender who waits.
    Stemmed(usize),
}

/// Writes `begins` and then `piece` again and again, up to `most` bytes, and reads nothing.
async fn flood(to: SocketAddr, begins: &[u8], piece: &[u8], most: usize) -> Flood {
    let mut client = TcpStream::connect(to).await.unwrap();
    client.write_all(begins).await.unwrap();
    let pieces = piece.repeat((256 * 1024 / piece.len()).max(1));
    let mut sent = 0;
    while sent < most {
        match timeout(PATIENCE / 10, client.write_all(&pieces)).await {
            Ok(Ok(())) => sent += pieces.len(),
            Ok(Err(_gone)) => return Flood::CutOff(sent),
            Err(_silent) => return Flood::Stemmed(sent),
        }
    }
    Flood::Taken
}

/// Memory that this process has, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Floods a proxy while a bystander is served; says what became of it. Memory is measured roughly:
/// other tests run in this process.
async fn while_others_are_served(proxy: &Proxy, begins: &[u8], piece: &[u8]) -> Flood {
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let before = resident();
    let (flood, ()) = tokio::join!(flood(proxy.outbound(), begins, piece, MOST), async {
        for _ in 0..20 {
            bystander.is_served().await;
        }
    });
    let grown = resident().saturating_sub(before);
    assert!(grown < BOUND, "{grown} bytes");
    bystander.is_served().await;
    flood
}

#[tokio::test]
async fn heads_without_end_are_cut_off() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let line = "GET / HTTP/1.1\r\nhost: a\r\n";
    for (begins, piece) in [
        (line.to_owned(), "a: b\r\n"),
        (line.to_owned(), "a:\r\n"),
        (format!("{line}x: "), "y"),
        (line.to_owned(), "y"),
        ("GET /".to_owned(), "y"),
    ] {
        let flood = while_others_are_served(&proxy, begins.as_bytes(), piece.as_bytes()).await;
        assert!(matches!(flood, Flood::CutOff(_)), "{begins:?} {piece:?}: {flood:?}");
    }
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn chunks_and_trailers_without_end_are_cut_off() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let head = "POST /flood HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (begins, piece) in [
        (format!("{head}0\r\n"), "a: b\r\n"),
        (format!("{head}0\r\nx: "), "y"),
        (format!("{head}5;"), "y"),
        (format!("{head}1"), "1"),
        (head.to_owned(), "1;yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\nx\r\n"),
    ] {
        let flood = while_others_are_served(&proxy, begins.as_bytes(), piece.as_bytes()).await;
        assert!(matches!(flood, Flood::CutOff(_)), "{begins:?} {piece:?}: {flood:?}");
    }
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

fn head(path: &str) -> Vec<u8> {
    fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)])
}

/// Each stream is new, opened and reset at once.
fn rapid_resets() -> Vec<u8> {
    let mut bytes = preface();
    for number in 0..50_000 {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &head("/reset")));
        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    bytes
}

#[tokio::test]
async fn frames_without_end_are_cut_off_or_taken_at_the_proxys_pace() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let opened = [preface(), frame(HEADERS, END_HEADERS, 1, &head("/flood"))].concat();
    let unread = [preface(), frame(HEADERS, END_HEADERS, 1, &head("/unread"))].concat();
    let endless = [preface(), frame(HEADERS, 0, 1, &head("/flood"))].concat();
    let field = fields(&[("x", &"y".repeat(1000))]);
    let floods: [(&str, &[u8], Vec<u8>, bool); 9] = [
        ("SETTINGS", &preface(), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]), false),
        ("PING", &preface(), frame(PING, 0, 0, &[7; 8]), false),
        ("PRIORITY", &preface(), frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 0]), false),
        ("unknown frames", &preface(), frame(0x42, 0, 0, b"what"), false),
        ("WINDOW_UPDATE", &opened, frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), false),
        ("empty DATA", &opened, frame(DATA, 0, 1, &[]), true),
        ("CONTINUATION", &endless, frame(CONTINUATION, 0, 1, &field), true),
        ("empty CONTINUATION", &endless, frame(CONTINUATION, 0, 1, &[]), true),
        // Its stream is reset, and what is still sent on it is dropped (RFC 9113, section 5.1).
        ("DATA beyond the window", &unread, frame(DATA, 0, 1, &[0; 16_000]), false),
    ];
    for (name, begins, piece, is_error) in floods {
        let flood = while_others_are_served(&proxy, begins, &piece).await;
        let is_cut_off = matches!(flood, Flood::CutOff(_));
        assert!(is_cut_off || !is_error, "{name}: {flood:?}");
        println!("{name}: {flood:?}");
    }
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn data_beyond_the_window_ends_its_stream_or_its_connection() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bytes = [preface(), frame(HEADERS, END_HEADERS, 1, &head("/unread"))].concat();
    // Its own window, and what the server lets through unread.
    let sent = (0..300).map(|_| frame(DATA, 0, 1, &[0; 16_000]));
    bytes.extend(sent.flatten());
    let refused = |bytes: &[u8]| is_over(bytes, 1) || is_told_off(bytes);
    let heard = say(proxy.outbound(), &bytes, refused).await;
    assert!(refused(&heard.bytes), "{heard:?}");
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn streams_that_are_reset_as_fast_as_they_are_opened_end_their_connection() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let resets = rapid_resets();
    let (heard, ()) =
        tokio::join!(say(proxy.outbound(), &resets, |_| false), bystander.is_served());
    let Heard { closed, .. } = heard;
    assert!(closed, "50,000 resets were taken");
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn a_small_block_that_unfolds_to_a_large_one_is_refused() {
    let echo = Echo::start().await;
    let proxy = plain(echo.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    // A field that goes into the table, and then nothing but its number there.
    let mut block = head("/bomb");
    block.push(0x40);
    block.extend(integer(0, 7, 1));
    block.push(b'x');
    block.extend(integer(0, 7, 3_000));
    block.extend(vec![b'y'; 3_000]);
    block.extend(vec![0x80 | 62; 12_000]);
    let mut bytes = preface();
    for number in 0..100 {
        let (stream, block) =
            (2 * number + 1, if number == 0 { &block[..] } else { &block[..14_000] });
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, block));
    }
    let before = resident();
    let heard = say(proxy.outbound(), &bytes, |_| false).await;
    assert!(!is_answered(&heard.bytes, 1), "it was let through");
    assert!(resident().saturating_sub(before) < BOUND);
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

#[tokio::test]
async fn servers_that_never_come_to_the_point_harm_only_who_asked() {
    let answer = |text: &str, then| Answer { bytes: text.as_bytes().to_vec(), then };
    let endless = [
        ("/interim", answer("HTTP/1.1 100 Continue\r\n\r\n", Then::Repeat)),
        ("/fields", answer("x: y\r\n", Then::Repeat)),
        ("/status", answer("HTTP/1.1 200 OK\r\nx: y\r\n", Then::Repeat)),
        ("/silence", answer("", Then::Stay)),
        ("/half", answer("HTTP/1.1 200 OK\r\nx:", Then::Stay)),
    ];
    let paths: Vec<_> = endless.iter().map(|(path, _)| *path).collect();
    let answers: BTreeMap<_, _> =
        endless.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
    let recorder = Recorder::answering(answers).await;
    let proxy = plain(recorder.address);
    let mut bystander = Bystander::at(proxy.outbound()).await;
    let before = resident();
    for path in paths {
        let mut client = TcpStream::connect(proxy.outbound()).await.unwrap();
        let asks = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        client.write_all(asks.as_bytes()).await.unwrap();
        bystander.is_served().await;
        let mut answer = [0; 12];
        // The client gives up at some time, if it is not told anything.
        if let Ok(read) = timeout(PATIENCE / 20, client.read(&mut answer)).await {
            assert!(answer.starts_with(b"HTTP/1.1 50") || read.is_err(), "{path}: {answer:?}");
        }
    }
    assert!(resident().saturating_sub(before) < BOUND);
    bystander.is_served().await;
    drop(bystander);
    all_places_are_free(proxy.outbound()).await;
    comes_to_rest(&proxy).await;
}

/// How much is sent of what has no end.
const MOST: usize = 48 << 20;
/// How much more memory may be in use: far less than is sent.
const BOUND: usize = 300 << 20;
