//! The upstream's HTTP/2 and gRPC.

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::SMALL;
use crate::frames::{
    self, ACK, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PING, PREFACE, SETTINGS,
    WINDOW,
};

/// Serves streams, `read` bytes of the connection being in `buffer` already.
pub(super) async fn serve(mut stream: TcpStream, mut buffer: Vec<u8>, read: usize) -> Result<()> {
    let mut filled = read;
    while filled < PREFACE.len() {
        filled += more(&mut stream, &mut buffer, filled).await?;
    }
    let mut at = PREFACE.len();
    let mut answers = Answers::new();
    stream.write_all(&frames::opening()).await?;
    loop {
        while let Some((frame, length)) = frames::first(buffer.get(at..filled).unwrap_or_default())
        {
            answers.take(frame)?;
            at += length;
        }
        if !answers.out.is_empty() {
            stream.write_all(&answers.out).await?;
            answers.out.clear();
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
        at = 0;
        match more(&mut stream, &mut buffer, filled).await? {
            0 => return Ok(()),
            read => filled += read,
        }
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut [u8], filled: usize) -> Result<usize> {
    Ok(stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?)
}

/// What is to be said, and the heads it is said with.
struct Answers {
    out: Vec<u8>,
    plain: Vec<u8>,
    grpc: Vec<u8>,
    trailers: Vec<u8>,
    body: Vec<u8>,
    message: Vec<u8>,
    room: u32,
}

impl Answers {
    fn new() -> Self {
        let (mut plain, mut grpc, mut trailers) = (Vec::new(), Vec::new(), Vec::new());
        plain.push(frames::STATUS_200);
        frames::put_header(&mut plain, CONTENT_TYPE, "text/plain");
        frames::put_header(&mut plain, CONTENT_LENGTH, &SMALL.to_string());
        grpc.push(frames::STATUS_200);
        frames::put_header(&mut grpc, CONTENT_TYPE, "application/grpc");
        frames::put_named_header(&mut trailers, "grpc-status", "0");
        let (body, message) = (vec![b'x'; SMALL], frames::grpc_message(SMALL));
        Self { out: Vec::new(), plain, grpc, trailers, body, message, room: WINDOW }
    }

    fn take(&mut self, frame: Frame<'_>) -> Result<()> {
        let Frame { kind, stream, payload, .. } = frame;
        let out = &mut self.out;
        match kind {
            HEADERS if frame.has(END_STREAM) => {
                frames::put(out, HEADERS, END_HEADERS, stream, &self.plain);
                frames::put(out, DATA, END_STREAM, stream, &self.body);
            }
            DATA => {
                if frame.has(PADDED) {
                    bail!("a proxy pads its frames");
                }
                self.take_data(frame);
            }
            SETTINGS if !frame.has(ACK) => frames::put(out, SETTINGS, ACK, 0, &[]),
            PING if !frame.has(ACK) => frames::put(out, PING, ACK, 0, payload),
            _ => {}
        }
        Ok(())
    }

    fn take_data(&mut self, frame: Frame<'_>) {
        let Frame { stream, payload, .. } = frame;
        let out = &mut self.out;
        if frame.has(END_STREAM) {
            frames::put(out, HEADERS, END_HEADERS, stream, &self.grpc);
            frames::put(out, DATA, 0, stream, &self.message);
            frames::put(out, HEADERS, END_HEADERS | END_STREAM, stream, &self.trailers);
        }
        self.room = self.room.saturating_sub(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        if self.room < WINDOW / 2 {
            frames::put(out, frames::WINDOW_UPDATE, 0, 0, &(WINDOW - self.room).to_be_bytes());
            self.room = WINDOW;
        }
    }
}

/// Indices of the static table (RFC 7541, appendix A).
const CONTENT_LENGTH: u8 = 28;
const CONTENT_TYPE: u8 = 31;
