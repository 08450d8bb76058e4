//! A server that keeps every byte it gets, and answers each whole request that a strict reader
//! finds in them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use lab::strict::{self, Ended};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use crate::tasks::spawn;

/// The server, until it is dropped.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
    task: AbortHandle,
}

#[derive(Default)]
struct Record {
    /// What is answered to requests for these targets, instead of an echo.
    answers: BTreeMap<String, Answer>,
    kept: Mutex<Kept>,
    /// How many connections have ended.
    ended: watch::Sender<usize>,
    /// Tells that something came.
    heard: watch::Sender<()>,
}

/// What came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// The bytes of each connection.
    pub(crate) streams: Vec<Vec<u8>>,
    /// Method and target of each whole request, in the order of their arrival.
    pub(crate) requests: Vec<String>,
}

/// What a server says, whatever it is.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

/// What a server does when it has said what it had to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Then {
    Stay,
    Close,
    Reset,
    /// Says the same again and again.
    Repeat,
}

impl Recorder {
    /// Answers each request with its own method and target.
    pub(crate) async fn start() -> Self {
        Self::answering(BTreeMap::new()).await
    }

    /// The same, but for these targets.
    pub(crate) async fn answering(answers: BTreeMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record { answers, ..Record::default() });
        let shared = Arc::clone(&record);
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(serve(Arc::clone(&shared), stream));
            }
        });
        Self { address, record, task: task.abort_handle() }
    }

    /// All that came up to now.
    pub(crate) fn kept(&self) -> Kept {
        self.record.kept.lock().unwrap().clone()
    }

    /// Waits until `bytes` came on so many connections.
    pub(crate) async fn is_sent(&self, connections: usize, bytes: &[u8]) {
        let mut heard = self.record.heard.subscribe();
        let has = |stream: &&Vec<u8>| stream.windows(bytes.len()).any(|part| part == bytes);
        let all = |(): &()| self.kept().streams.iter().filter(has).count() >= connections;
        heard.wait_for(all).await.unwrap();
    }

    /// Waits until every connection has ended, which they do when the proxy does.
    pub(crate) async fn all_ended(&self) {
        let mut ended = self.record.ended.subscribe();
        let all = |ended: &usize| *ended == self.kept().streams.len();
        ended.wait_for(all).await.unwrap();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(record: Arc<Record>, mut stream: TcpStream) {
    let number = {
        let mut kept = record.kept.lock().unwrap();
        kept.streams.push(Vec::new());
        kept.streams.len() - 1
    };
    // However it ends, it ends.
    drop(converse(&record, number, &mut stream).await);
    record.ended.send_modify(|ended| *ended += 1);
}

async fn converse(record: &Record, number: usize, stream: &mut TcpStream) -> std::io::Result<()> {
    let (mut unread, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &piece[..read];
        unread.extend_from_slice(bytes);
        let reading = strict::requests(&unread);
        let starts: Vec<String> =
            reading.messages.iter().map(|message| message.start.clone()).collect();
        {
            let mut kept = record.kept.lock().unwrap();
            kept.streams[number].extend_from_slice(bytes);
            kept.requests.extend(starts.iter().cloned());
        }
        record.heard.send_replace(());
        unread.drain(..reading.consumed);
        for start in starts {
            let target = start.split(' ').next_back().unwrap_or_default();
            match record.answers.get(target) {
                Some(answer) => {
                    stream.write_all(&answer.bytes).await?;
                    match answer.then {
                        Then::Stay => {}
                        Then::Close => return Ok(()),
                        Then::Reset => {
                            return SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
                        }
                        Then::Repeat => loop {
                            stream.write_all(&answer.bytes).await?;
                        },
                    }
                }
                None => stream.write_all(echo(&start).as_bytes()).await?,
            }
        }
        if matches!(reading.ended, Ended::Broken(_)) {
            return stream.write_all(NO_HTTP).await;
        }
    }
}

fn echo(start: &str) -> String {
    if start.starts_with("CONNECT") {
        return "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned();
    }
    let body = if start.starts_with("HEAD") { "" } else { start };
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", start.len())
}

/// What the server says to what it does not understand.
pub(crate) const NO_HTTP: &[u8] = b"no HTTP\n";
