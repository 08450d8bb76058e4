//! Asks over HTTP/1.1, one request after the other on each connection.

use std::{net::SocketAddr, rc::Rc};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Counts;
use crate::socket;

/// Asks for as long as it is polled.
pub(super) async fn ask(target: SocketAddr, request: &[u8], counts: Rc<Counts>) -> Result<()> {
    let mut connection = Connection::open(target).await?;
    loop {
        let answer = connection.ask(request).await?;
        counts.add(answer.body);
        if answer.closes {
            connection = Connection::open(target).await?;
        }
    }
}

/// A connection and the room for what comes by it.
pub(super) struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// What an answer's head says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) head: usize,
    pub(super) body: usize,
    /// The connection ends with it.
    pub(super) closes: bool,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr) -> Result<Self> {
        Ok(Self::over(socket::connect(target).await?))
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Connection<S> {
    pub(super) fn over(stream: S) -> Self {
        Self { stream, buffer: vec![0; BUFFER] }
    }

    /// Gives back the room for what comes: nothing more will.
    pub(super) fn forget(&mut self) {
        self.buffer = Vec::new();
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let answer = loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            match self.stream.read(room).await? {
                0 => bail!("a proxy closed a connection instead of answering"),
                read => filled += read,
            }
            if let Some(answer) = parse(self.buffer.get(..filled).unwrap_or_default())? {
                break answer;
            }
        };
        let mut left = (answer.head + answer.body).saturating_sub(filled);
        while left > 0 {
            match self.stream.read(&mut self.buffer).await? {
                0 => bail!("a proxy cut an answer"),
                read => left = left.saturating_sub(read),
            }
        }
        Ok(answer)
    }
}

/// An answer's head, if all of it is there.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        bail!("a proxy answered {}", String::from_utf8_lossy(bytes));
    }
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = header("content-length").context("an answer came without its length")?;
    let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Answer { head, body: length.trim().parse()?, closes }))
}

/// Asks for little.
pub(super) const SMALL: &[u8] =
    b"GET /catalogue/items HTTP/1.1\r\nhost: catalogue\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
/// Asks for little, and for an end of the connection to the server.
pub(super) const LAST: &[u8] =
    b"GET /last HTTP/1.1\r\nhost: service\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
/// Asks for much.
pub(super) const LARGE: &[u8] =
    b"GET /large HTTP/1.1\r\nhost: catalogue\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_complete() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let answer = Answer { head: text.len() - 3, body: 3, closes: false };
        assert_eq!(parse(text).unwrap(), Some(answer));
        assert_eq!(parse(&text[..20]).unwrap(), None);
    }

    #[test]
    fn anything_but_200_is_an_error() {
        assert!(parse(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
