//! Listens to how a connection begins, without keeping anything of it: what was read is read again.

use std::{io, pin::pin, time::Duration};

use tokio::{
    io::AsyncReadExt as _,
    time::{sleep, timeout},
};

use super::stream::{Prefixed, Stream};
use crate::detect::{
    self, Spoken,
    opening::{Habit, Next, Port, Seen, Stage, Word},
};

/// How a connection began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// The client said enough to tell what it speaks.
    Spoken(Spoken),
    /// The client began as a request of HTTP/1 does, and the line did not end (in time).
    Unended,
    /// Nothing was said for as long as was waited: perhaps it is for the server to speak first.
    Silence,
    /// The client closed without a word.
    Closed,
}

/// Listens until it is clear what the client speaks. A client that says nothing for `patience` is
/// silent; one that began has `limit` to say what it speaks, but no longer than [`FIRST_LINE`].
/// Dropping the future loses nothing.
///
/// # Errors
/// What reading fails with.
pub async fn listen(
    stream: &mut Prefixed,
    patience: Duration,
    limit: Duration,
) -> io::Result<Heard> {
    if stream.ahead().is_empty() {
        match timeout(patience, stream.read_ahead()).await {
            Err(_elapsed) => return Ok(Heard::Silence),
            Ok(Ok(0)) => return Ok(Heard::Closed),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) => {}
        }
    }
    match timeout(limit.min(FIRST_LINE), listen_on(stream)).await {
        Ok(Ok(Some(spoken))) => Ok(Heard::Spoken(spoken)),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) | Err(_) if detect::begins_with_method(stream.ahead()) => Ok(Heard::Unended),
        Ok(Ok(None)) | Err(_) => Ok(Heard::Spoken(Spoken::Opaque)),
    }
}

/// How a conversation began.
#[derive(Debug)]
pub struct Begun<T, E> {
    /// What follows; never that one has to wait.
    pub next: Next,
    /// What is to be remembered of the port.
    pub lesson: Option<Habit>,
    /// What asking the server for a connection came to, if it was asked.
    pub server: Option<Result<(Stream, T), E>>,
    /// What the server has said.
    pub said: Vec<u8>,
}

/// Listens to the client, asks for a connection to the server with `dial` when `port` says so, and
/// then listens to both, until it is clear what follows. A client that began has `limit` to say
/// what it speaks. Dropping the future loses nothing that the client said.
pub async fn begin<T, E>(
    client: &mut Prefixed,
    port: Port,
    limit: Duration,
    dial: impl Future<Output = Result<(Stream, T), E>>,
) -> Begun<T, E> {
    let mut heard = pin!(listen(client, FIRST_REQUEST, limit));
    let mut patience = pin!(sleep(port.patience()));
    let mut dial = pin!(dial);
    let (mut stage, mut server, mut said) = (port.begin(), None, Vec::new());
    loop {
        let seen = tokio::select! {
            biased;
            heard = heard.as_mut() => Seen::of_client(heard),
            () = patience.as_mut(), if stage == Stage::Listening => Seen::PatienceOver,
            dialled = dial.as_mut(), if stage == Stage::Dialling => {
                let seen = if dialled.is_ok() { Seen::Connected } else { Seen::Unreachable };
                server = Some(dialled);
                seen
            }
            word = first_word(&mut server, &mut said), if stage == Stage::Open => word,
        };
        let lesson = port.lesson(&seen);
        match port.next(stage, &seen) {
            Next::Wait(next) => stage = next,
            next => return Begun { next, lesson, server, said },
        }
    }
}

impl Seen {
    fn of_client(heard: io::Result<Heard>) -> Self {
        match heard {
            Ok(Heard::Spoken(spoken)) => Self::Client(spoken),
            Ok(Heard::Unended) => Self::Unended,
            Ok(Heard::Silence | Heard::Closed) => Self::NoClient,
            Err(_reset) => Self::ClientCut,
        }
    }
}

/// Reads the first that the server says. Dropping the future loses nothing.
async fn first_word<T, E>(server: &mut Option<Result<(Stream, T), E>>, said: &mut Vec<u8>) -> Seen {
    let Some(Ok((stream, _))) = server else { return Seen::Unreachable };
    said.reserve(WORD);
    match stream.read_buf(said).await {
        Ok(_) => Seen::Server(Word::of(said)),
        Err(_cut) => Seen::ServerCut,
    }
}

/// What is spoken; nothing if the client ended, or went on too late, before that was clear.
async fn listen_on(stream: &mut Prefixed) -> io::Result<Option<Spoken>> {
    loop {
        if let Some(spoken) = detect::detect(stream.ahead()) {
            return Ok(Some(spoken));
        }
        let more = if detect::is_promising(stream.ahead()) {
            stream.read_ahead().await
        } else {
            timeout(MORE, stream.read_ahead()).await.unwrap_or(Ok(0))
        };
        if more? == 0 {
            return Ok(None);
        }
    }
}

/// How long a client that must speak first is waited for.
const FIRST_REQUEST: Duration = Duration::from_secs(3600);

/// How long a peer of the mesh is waited for, which has opened the connection because it has
/// something to say.
pub const FIRST_HELLO: Duration = Duration::from_secs(15);

/// How long the first line may take: what is no request waits for as long.
const FIRST_LINE: Duration = Duration::from_secs(10);

/// How long it may be interrupted, if it begins like nothing that we know.
const MORE: Duration = Duration::from_millis(20);

/// Room for a greeting; what is longer follows it.
const WORD: usize = 512;
