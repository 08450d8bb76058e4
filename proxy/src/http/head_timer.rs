//! Ends a connection whose client has begun a request and does not finish its head in time, and
//! says so.
//!
//! The time runs from the head's first byte, so that idle connections that are kept alive cost
//! nothing and are left in peace. hyper's own timer counts from the end of the last request and
//! would close those.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A connection that is watched for heads that do not end.
#[derive(Debug)]
pub struct Watched<I> {
    inner: I,
    state: Arc<HeadState>,
    limit: Duration,
    /// How many heads had come to their end when this was last looked at.
    complete: u64,
    time: Time,
    /// Whether all that was to be written has been: nothing can be said in the middle of an answer.
    flushed: bool,
}

/// How long a head has taken. Nearly all come at once: none is timed before more of it is asked
/// for.
#[derive(Debug)]
enum Time {
    /// No head has begun.
    None,
    /// Bytes of one have come.
    Begun,
    /// It did not come at once.
    Until(Pin<Box<Sleep>>),
}

/// Whether bytes that come are part of a head. Atomic only because hyper wants upgraded connections
/// to be `Send`.
#[derive(Debug, Default)]
pub struct HeadState {
    in_request: AtomicBool,
    /// Whether bytes of a head came, and its end has not.
    begun: AtomicBool,
    /// How many heads have come to their end.
    complete: AtomicU64,
}

/// A request under way; when it is dropped, the next bytes begin a head, unless the next head has
/// come already.
#[derive(Debug)]
pub struct InRequest {
    state: Arc<HeadState>,
    number: u64,
}

impl HeadState {
    /// The head is complete.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> InRequest {
        self.in_request.store(true, Ordering::Relaxed);
        self.begun.store(false, Ordering::Relaxed);
        // Nobody else writes: it is atomic for the types' sake alone.
        let number = self.complete.load(Ordering::Relaxed) + 1;
        self.complete.store(number, Ordering::Relaxed);
        InRequest { state: Arc::clone(self), number }
    }

    /// How many heads have come to their end, if nothing is under way now: no request, and no head.
    #[must_use]
    pub fn resting(&self) -> Option<u64> {
        let busy = self.in_request.load(Ordering::Relaxed) || self.begun.load(Ordering::Relaxed);
        (!busy).then(|| self.complete.load(Ordering::Relaxed))
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        if self.state.complete.load(Ordering::Relaxed) == self.number {
            self.state.in_request.store(false, Ordering::Relaxed);
        }
    }
}

impl<I> Watched<I> {
    /// Watches `inner`: a head may take `limit` from its first byte to its last.
    pub const fn new(inner: I, state: Arc<HeadState>, limit: Duration) -> Self {
        Self { inner, state, limit, complete: 0, time: Time::None, flushed: true }
    }

    /// What was watched.
    pub fn into_inner(self) -> I {
        self.inner
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let complete = self.state.complete.load(Ordering::Relaxed);
        if self.complete != complete {
            self.complete = complete;
            self.time = Time::None;
        }
        if matches!(self.time, Time::Begun) {
            self.time = Time::Until(Box::pin(sleep(self.limit)));
        }
        match &mut self.time {
            Time::Until(deadline) => deadline.as_mut().poll(context).is_ready(),
            Time::None | Time::Begun => false,
        }
    }
}

impl<I: AsyncWrite + Unpin> Watched<I> {
    /// What fits into an empty buffer is said at once; if it does not fit, nobody listens.
    fn refuse(&mut self, context: &mut Context<'_>) -> io::Error {
        if self.flushed && Pin::new(&mut self.inner).poll_write(context, TIMED_OUT).is_ready() {
            // The connection ends either way.
            drop(Pin::new(&mut self.inner).poll_flush(context));
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(self.refuse(context)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let begun =
            buffer.filled().len() > before && !self.state.in_request.load(Ordering::Relaxed);
        if begun && matches!(self.time, Time::None) {
            self.time = Time::Begun;
            self.state.begun.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flushed = false;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed = false;
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.flushed |= matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// RFC 9110, section 15.5.9.
const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[cfg(test)]
mod tests;
