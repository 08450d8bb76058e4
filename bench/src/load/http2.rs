//! Asks over HTTP/2 in clear text, many requests at a time on each connection.

use std::{net::SocketAddr, rc::Rc};

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Counts;
use crate::{
    frames::{
        self, ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING, PREFACE,
        PRIORITY, RST_STREAM, SETTINGS, WINDOW,
    },
    socket,
    upstream::SMALL,
};

/// A request as it is written, but for its stream.
pub(super) struct Ask {
    head: Vec<u8>,
    message: Option<Vec<u8>>,
    /// How long the answer's body is.
    expected: usize,
}

impl Ask {
    /// A request without a body.
    pub(super) fn get() -> Self {
        // `:method: GET`, `:scheme: http`.
        let mut head = vec![0x82, 0x86];
        frames::put_header(&mut head, PATH, "/catalogue/items");
        frames::put_header(&mut head, AUTHORITY, "catalogue");
        frames::put_header(&mut head, USER_AGENT, "bench");
        Self { head, message: None, expected: SMALL }
    }

    /// A call of gRPC with one message.
    pub(super) fn grpc() -> Self {
        // `:method: POST`, `:scheme: http`.
        let mut head = vec![0x83, 0x86];
        frames::put_header(&mut head, PATH, "/catalogue.Catalogue/Items");
        frames::put_header(&mut head, AUTHORITY, "catalogue");
        frames::put_header(&mut head, CONTENT_TYPE, "application/grpc");
        frames::put_named_header(&mut head, "te", "trailers");
        let message = frames::grpc_message(SMALL);
        Self { head, expected: message.len(), message: Some(message) }
    }

    fn put(&self, out: &mut Vec<u8>, stream: u32) {
        match &self.message {
            None => frames::put(out, HEADERS, END_HEADERS | END_STREAM, stream, &self.head),
            Some(message) => {
                frames::put(out, HEADERS, END_HEADERS, stream, &self.head);
                frames::put(out, DATA, END_STREAM, stream, message);
            }
        }
    }
}

/// Asks for as long as it is polled, with `streams` requests at a time. A connection that is told
/// to end does, and another follows.
pub(super) async fn ask(
    target: SocketAddr,
    ask: Ask,
    streams: usize,
    counts: Rc<Counts>,
) -> Result<()> {
    loop {
        let mut stream = socket::connect(target).await?;
        talk(&mut stream, Talk::begin(&ask, streams), &counts).await?;
    }
}

/// Asks one request on a connection that may have TLS on it.
pub(super) async fn ask_once(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    counts: &Counts,
) -> Result<()> {
    let ask = Ask::get();
    talk(stream, Talk { leaving: true, ..Talk::begin(&ask, 1) }, counts).await
}

async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut talk: Talk<'_>,
    counts: &Counts,
) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut filled = 0;
    while !(talk.leaving && talk.waiting.is_empty()) {
        if !talk.out.is_empty() {
            stream.write_all(&talk.out).await?;
            talk.out.clear();
        }
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => bail!("a proxy closed a connection with requests under way"),
            read => filled += read,
        }
        let mut at = 0;
        while let Some((frame, length)) = frames::first(buffer.get(at..filled).unwrap_or_default())
        {
            talk.take(frame, counts)?;
            at += length;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
    Ok(())
}

/// What is under way on a connection.
struct Talk<'a> {
    ask: &'a Ask,
    out: Vec<u8>,
    next: u32,
    /// Streams that wait for their answer, and how much of its body has come.
    waiting: Vec<(u32, usize)>,
    room: u32,
    leaving: bool,
}

impl<'a> Talk<'a> {
    fn begin(ask: &'a Ask, streams: usize) -> Self {
        let mut out = PREFACE.to_vec();
        out.extend(frames::opening());
        let waiting = Vec::with_capacity(streams);
        let mut talk = Self { ask, out, next: 1, waiting, room: WINDOW, leaving: false };
        (0..streams).for_each(|_| talk.put_request());
        talk
    }

    fn put_request(&mut self) {
        self.ask.put(&mut self.out, self.next);
        self.waiting.push((self.next, 0));
        self.next += 2;
    }

    fn take(&mut self, frame: Frame<'_>, counts: &Counts) -> Result<()> {
        let Frame { kind, payload, .. } = frame;
        match kind {
            HEADERS | DATA if frame.has(PADDED) => bail!("a proxy pads its frames"),
            HEADERS if frame.has(PRIORITY) || !frame.has(END_HEADERS) => {
                bail!("a proxy writes heads that this client does not read")
            }
            HEADERS => self.take_head(frame, counts)?,
            DATA => self.take_data(frame, counts)?,
            RST_STREAM => bail!("a proxy reset a request: {payload:?}"),
            GOAWAY => {
                // Streams above the last one were not worked on, and are not counted.
                let (last, _) = payload.split_first_chunk().unwrap_or((&[0; 4], &[]));
                let last = u32::from_be_bytes(*last);
                self.waiting.retain(|(waiting, _)| *waiting <= last);
                self.leaving = true;
            }
            SETTINGS if !frame.has(ACK) => frames::put(&mut self.out, SETTINGS, ACK, 0, &[]),
            PING if !frame.has(ACK) => frames::put(&mut self.out, PING, ACK, 0, payload),
            _ => {}
        }
        Ok(())
    }

    /// The head of an answer, or its trailers.
    fn take_head(&mut self, frame: Frame<'_>, counts: &Counts) -> Result<()> {
        let come = self.come(frame.stream)?;
        if come == 0 && !frames::is_ok(frame.payload) {
            bail!("a proxy's answer is not 200: {:?}", frame.payload);
        }
        if frame.has(END_STREAM) { self.finish(frame.stream, counts) } else { Ok(()) }
    }

    fn take_data(&mut self, frame: Frame<'_>, counts: &Counts) -> Result<()> {
        let length = frame.payload.len();
        let waiting = self.waiting.iter_mut().find(|(stream, _)| *stream == frame.stream);
        if let Some((_, come)) = waiting {
            *come += length;
        }
        self.room = self.room.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
        if self.room < WINDOW / 2 {
            let more = WINDOW - self.room;
            frames::put(&mut self.out, frames::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
            self.room = WINDOW;
        }
        if frame.has(END_STREAM) { self.finish(frame.stream, counts) } else { Ok(()) }
    }

    fn come(&self, stream: u32) -> Result<usize> {
        match self.waiting.iter().find(|(waiting, _)| *waiting == stream) {
            Some((_, come)) => Ok(*come),
            None => bail!("a proxy answered what was not asked: stream {stream}"),
        }
    }

    /// An answer has come to its end; the next request takes its place.
    fn finish(&mut self, stream: u32, counts: &Counts) -> Result<()> {
        let come = self.come(stream)?;
        if come != self.ask.expected {
            bail!("an answer has {come} bytes instead of {}", self.ask.expected);
        }
        self.waiting.retain(|(waiting, _)| *waiting != stream);
        counts.add(come);
        if !self.leaving {
            self.put_request();
        }
        Ok(())
    }
}

/// Indices of the static table (RFC 7541, appendix A).
const AUTHORITY: u8 = 1;
const PATH: u8 = 4;
const CONTENT_TYPE: u8 = 31;
const USER_AGENT: u8 = 58;
