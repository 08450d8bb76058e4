//! Servers of HTTP/2 that say GOAWAY while requests are under way (RFC 9113, section 6.8): what
//! they leave out is asked again on another connection, what they take is answered on the old one,
//! and what they may have worked on is asked of nobody else.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use lab::Pair;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use crate::{
    client::say,
    frames::{
        DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, SETTINGS, fields, frame, is_answered,
        is_over, preface, read,
    },
    stage::{both_come_to_rest, comes_to_rest, plain},
    tasks::spawn,
};

/// What a server does on its first connection, once all requests have come; on all that follow it
/// answers whatever it is asked.
#[derive(Clone, Debug)]
struct Script {
    /// What it says first.
    says: Vec<u8>,
    /// Which streams it answers then.
    answers: Vec<u32>,
    /// Whether it closes after that.
    closes: bool,
}

/// The server, and each stream that it was asked on, with the number of the connection.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(usize, u32)>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::default(), AtomicUsize::new(0));
        let shared = Arc::clone(&asked);
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let (script, asked) = (script.clone(), Arc::clone(&shared));
                spawn(async move { drop(serve(stream, number, &script, &asked).await) });
            }
        });
        Self { address, asked, task: task.abort_handle() }
    }

    fn asked(&self) -> Vec<(usize, u32)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    number: usize,
    script: &Script,
    asked: &Mutex<Vec<(usize, u32)>>,
) -> std::io::Result<()> {
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let (mut heard, mut piece, mut seen) = (Vec::new(), vec![0; 4096], 0);
    loop {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            read => heard.extend_from_slice(&piece[..read]),
        }
        let frames = read(heard.get(24..).unwrap_or_default());
        let heads = frames.iter().filter(|frame| frame.kind == HEADERS);
        let heads: Vec<u32> = heads.map(|frame| frame.stream).collect();
        let new = heads.get(seen..).unwrap_or_default();
        asked.lock().unwrap().extend(new.iter().map(|id| (number, *id)));
        let is_due = number == 0 && seen < REQUESTS && heads.len() >= REQUESTS;
        if is_due {
            stream.write_all(&script.says).await?;
            stream.write_all(&answers(number, &script.answers)).await?;
            if script.closes {
                return Ok(());
            }
        } else if number > 0 {
            stream.write_all(&answers(number, new)).await?;
        }
        seen = heads.len();
    }
}

/// Answers that say by which connection and stream they came.
fn answers(number: usize, streams: &[u32]) -> Vec<u8> {
    let answer = |id: &u32| {
        let words = format!("{number}/{id}");
        [frame(HEADERS, END_HEADERS, *id, &[0x88]), frame(DATA, END_STREAM, *id, words.as_bytes())]
    };
    streams.iter().flat_map(answer).flatten().collect()
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// Asks for everything at once; gives what came of each request, in words, nothing for a failure.
async fn ask(to: SocketAddr) -> Vec<Option<String>> {
    let mut asks = preface();
    for id in STREAMS {
        let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        asks.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &fields(&head)));
    }
    let all = |heard: &[u8]| STREAMS.into_iter().all(|id| is_over(heard, id));
    let heard = say(to, &asks, all).await.bytes;
    let frames = read(&heard);
    let words = |id: u32| {
        let own = frames.iter().filter(|frame| frame.kind == DATA && frame.stream == id);
        own.flat_map(|frame| frame.payload.iter().copied().map(char::from)).collect()
    };
    STREAMS.into_iter().map(|id| is_answered(&heard, id).then(|| words(id))).collect()
}

/// Plays a script to a proxy, and to a pair of them; `check` is told what came of each request, and
/// on which streams the server was asked.
async fn play(script: Script, check: impl Fn(&[Option<String>], &[(usize, u32)])) {
    let server = Server::start(script.clone()).await;
    let proxy = plain(server.address);
    let heard = ask(proxy.outbound()).await;
    check(&heard, &server.asked());
    drop(server);
    comes_to_rest(&proxy).await;
    let server = Server::start(script).await;
    let pair = Pair::start(server.address);
    let heard = ask(pair.client.outbound()).await;
    check(&heard, &server.asked());
    drop(server);
    both_come_to_rest(&pair).await;
}

/// Asserts that streams up to `last` were answered on the first connection, and all others on
/// another.
fn is_split_at(last: u32, heard: &[Option<String>], asked: &[(usize, u32)]) {
    assert!(heard.iter().all(Option::is_some), "{heard:?}");
    let mut heard: Vec<_> = heard.iter().flatten().cloned().collect();
    heard.sort_unstable();
    let taken = STREAMS.into_iter().filter(|id| *id <= last).map(|id| format!("0/{id}"));
    let taken: Vec<_> = taken.collect();
    let again: Vec<_> = asked.iter().filter(|(number, _)| *number > 0).collect();
    assert_eq!(again.len(), REQUESTS - taken.len(), "asked once more: {asked:?}");
    let again = again.into_iter().map(|(number, id)| format!("{number}/{id}"));
    let mut expected: Vec<_> = taken.into_iter().chain(again).collect();
    expected.sort_unstable();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn what_a_goaway_leaves_out_is_asked_again_and_what_it_takes_is_answered_where_it_was_asked()
{
    for last in [0, 1, 5, 9, 11] {
        let taken: Vec<_> = STREAMS.into_iter().filter(|id| *id <= last).collect();
        let script = Script { says: goaway(last), answers: taken, closes: false };
        play(script, |heard, asked| is_split_at(last, heard, asked)).await;
    }
}

#[tokio::test]
async fn a_warning_before_a_goaway_loses_nothing_either() {
    for last in [0, 5, 11] {
        let taken: Vec<_> = STREAMS.into_iter().filter(|id| *id <= last).collect();
        let says = [goaway(0x7fff_ffff), goaway(last)].concat();
        let script = Script { says, answers: taken, closes: true };
        play(script, |heard, asked| is_split_at(last, heard, asked)).await;
    }
}

#[tokio::test]
async fn what_a_server_took_and_left_unanswered_is_asked_of_nobody_else() {
    let script = Script { says: goaway(5), answers: vec![1, 3], closes: true };
    play(script, |heard, asked| {
        let answered = heard.iter().flatten().count();
        assert_eq!(answered, REQUESTS - 1, "{heard:?}");
        assert_eq!(asked.len(), REQUESTS + 3, "{asked:?}");
    })
    .await;
}

const REQUESTS: usize = 6;
const STREAMS: [u32; REQUESTS] = [1, 3, 5, 7, 9, 11];
