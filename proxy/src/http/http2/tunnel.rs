//! A stream of HTTP/2 that has become a connection (RFC 9113, section 8.5; RFC 8441, section 5).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes both ways. Dropping it before its end resets the stream.
#[derive(Debug)]
pub struct Tunnel {
    receive: RecvStream,
    send: SendStream<Bytes>,
    /// What has come and was not read.
    ahead: Bytes,
}

impl Tunnel {
    /// What comes by `receive` and goes by `send`.
    #[must_use]
    pub const fn new(receive: RecvStream, send: SendStream<Bytes>) -> Self {
        Self { receive, send, ahead: Bytes::new() }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ahead.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(Ok(data)) => self.ahead = data,
                Some(Err(error)) => return Poll::Ready(ended(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..taken).unwrap_or_default());
        self.ahead.advance(taken);
        let released = self.receive.flow_control().release_capacity(taken);
        Poll::Ready(released.map_err(io::Error::other))
    }
}

/// A peer that needs nothing more may say so by a reset without an error (RFC 9113, section 8.1).
fn ended(error: h2::Error) -> io::Result<()> {
    match error.reason() {
        Some(Reason::NO_ERROR | Reason::CANCEL) => Ok(()),
        Some(Reason::STREAM_CLOSED) => Err(io::ErrorKind::BrokenPipe.into()),
        Some(_) | None => Err(into_io(error)),
    }
}

fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::other(error)
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(context)) {
                Some(Ok(_room)) => {}
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let room = self.send.capacity().min(bytes.len());
        let data = Bytes::copy_from_slice(bytes.get(..room).unwrap_or_default());
        let sent = self.send.send_data(data, false);
        Poll::Ready(sent.map(|()| room).map_err(into_io))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection sends on its own.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(into_io))
    }
}
