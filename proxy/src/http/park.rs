//! Connections of HTTP/1 that rest between two requests give their buffers back.
//!
//! What serves a connection holds several KiB for it. One on which nothing was asked for a second
//! is taken back from it, and only its socket is held until the client says something more.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::sleep,
};

use super::head_timer::HeadState;

/// A connection that can be taken back from what serves it.
#[derive(Debug)]
pub struct Keeping<I> {
    inner: I,
    /// What was read and nobody has looked at.
    ahead: Bytes,
    hold: Arc<Hold>,
}

/// Whoever serves the connection has the one end of it, whoever takes it back the other. Atomic
/// only because hyper wants upgraded connections to be `Send`.
#[derive(Debug, Default)]
pub struct Hold {
    /// An end that is asked for is not passed on.
    kept_open: AtomicBool,
    /// The client does not take what it is sent.
    is_blocked: AtomicBool,
}

impl<I> Keeping<I> {
    /// A connection, of which `ahead` was read already.
    #[must_use]
    pub fn new(inner: I, ahead: Bytes) -> Self {
        Self { inner, ahead, hold: Arc::default() }
    }

    /// The hand that takes it back.
    #[must_use]
    pub fn hold(&self) -> Arc<Hold> {
        Arc::clone(&self.hold)
    }

    /// Taken back from what served it, which had read `unused` and not looked at it.
    #[must_use]
    pub fn taken_back(self, unused: &[u8]) -> Self {
        // Copied: even an empty slice of what was read would keep all of its buffer.
        Self::new(self.inner, join(unused, &self.ahead))
    }

    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let is_blocked = done.is_pending();
        if is_blocked != self.hold.is_blocked.load(Ordering::Relaxed) {
            self.hold.is_blocked.store(is_blocked, Ordering::Relaxed);
        }
        done
    }
}

impl Hold {
    /// From now on an end that is asked for leaves the connection open.
    pub fn keep_open(&self) {
        self.kept_open.store(true, Ordering::Relaxed);
    }

    /// Ends once nothing was asked for a while, and all that was answered is on its way.
    pub async fn rested(&self, state: &HeadState) {
        let mut before = None;
        loop {
            sleep(REST).await;
            let blocked = self.is_blocked.load(Ordering::Relaxed);
            let now = state.resting().filter(|_| !blocked);
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Keeping<I> {
    /// Waits until the client says something; nothing if it has closed, which it is told then.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn spoken_on(self) -> io::Result<Option<Self>> {
        let Self { mut inner, ahead, .. } = self;
        let mut first = [0];
        if inner.read(&mut first).await? == 0 {
            inner.shutdown().await?;
            return Ok(None);
        }
        Ok(Some(Self::new(inner, join(&ahead, &first))))
    }
}

fn join(first: &[u8], second: &[u8]) -> Bytes {
    if first.is_empty() && second.is_empty() {
        return Bytes::new();
    }
    let mut all = BytesMut::with_capacity(first.len() + second.len());
    all.extend_from_slice(first);
    all.extend_from_slice(second);
    all.freeze()
}

impl<I: AsyncRead + Unpin> AsyncRead for Keeping<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let taken = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..taken).unwrap_or_default());
        self.ahead.advance(taken);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Keeping<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hold.kept_open.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// How long nothing is asked before a connection rests: between this and twice as much.
const REST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
