//! What bytes are carried by: a plain connection or one with TLS on it, and bytes that were read
//! too early.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// A connection whose first bytes may have been read already: they are read again first.
#[derive(Debug)]
pub struct Prefixed {
    prefix: BytesMut,
    inner: TcpStream,
}

/// A connection, with TLS on it or without.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(Prefixed),
    /// With TLS.
    Tls(Box<TlsStream<Prefixed>>),
}

impl Prefixed {
    /// A connection of which nothing was read.
    #[must_use]
    pub fn new(inner: TcpStream) -> Self {
        Self { prefix: BytesMut::new(), inner }
    }

    /// The connection itself.
    #[must_use]
    pub const fn inner(&self) -> &TcpStream {
        &self.inner
    }

    /// What was read ahead.
    #[must_use]
    pub fn ahead(&self) -> &[u8] {
        &self.prefix
    }

    /// Reads more ahead; says how much. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What reading fails with.
    pub async fn read_ahead(&mut self) -> io::Result<usize> {
        self.prefix.reserve(READ_AHEAD);
        self.inner.read_buf(&mut self.prefix).await
    }

    /// Leaves out the first `count` bytes of what was read ahead.
    pub fn skip(&mut self, count: usize) {
        self.prefix.advance(count.min(self.prefix.len()));
    }
}

impl Stream {
    /// The connection itself.
    #[must_use]
    pub fn inner(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream.inner(),
            Self::Tls(stream) => stream.get_ref().0.inner(),
        }
    }

    /// Makes the end of this connection look like what it is when it was cut: a reset, not an
    /// orderly end.
    pub fn reset(&self) {
        // If the socket is gone already there is no one left to tell.
        drop(SockRef::from(self.inner()).set_linger(Some(Duration::ZERO)));
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let taken = self.prefix.len().min(buffer.remaining());
        buffer.put_slice(self.prefix.get(..taken).unwrap_or_default());
        self.prefix.advance(taken);
        if self.prefix.is_empty() {
            self.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
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

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Room for the bytes that tell what is spoken; a ClientHello with post-quantum keys is about 1.5
/// KiB.
const READ_AHEAD: usize = 4 * 1024;
