//! Ends a connection whose client has begun a request and does not finish its head in time.
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
    deadline: Option<Pin<Box<Sleep>>>,
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

/// A request under way; when it is dropped, the next bytes begin a head.
#[derive(Debug)]
pub struct InRequest(Arc<HeadState>);

impl HeadState {
    /// The head is complete.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> InRequest {
        self.in_request.store(true, Ordering::Relaxed);
        self.begun.store(false, Ordering::Relaxed);
        self.complete.fetch_add(1, Ordering::Relaxed);
        InRequest(Arc::clone(self))
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
        self.0.in_request.store(false, Ordering::Relaxed);
    }
}

impl<I> Watched<I> {
    /// Watches `inner`: a head may take `limit` from its first byte to its last.
    pub const fn new(inner: I, state: Arc<HeadState>, limit: Duration) -> Self {
        Self { inner, state, limit, complete: 0, deadline: None }
    }

    /// What was watched.
    pub fn into_inner(self) -> I {
        self.inner
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let complete = self.state.complete.load(Ordering::Relaxed);
        if self.complete != complete {
            self.complete = complete;
            self.deadline = None;
        }
        let deadline = self.deadline.as_mut();
        let is_over = deadline.is_some_and(|deadline| deadline.as_mut().poll(context).is_ready());
        if is_over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_deadline(context)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let begun =
            buffer.filled().len() > before && !self.state.in_request.load(Ordering::Relaxed);
        if begun && self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(self.limit)));
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
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
