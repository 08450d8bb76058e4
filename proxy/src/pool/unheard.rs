//! A connection whose other side has closed it. What cannot be written any more is no error until
//! all that came before has been read, for it may be an answer to a request that goes on, or a
//! GOAWAY, which tells what was not worked on; and hyper and h2 write before they read.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Takes what nobody will hear as written. The end is found in reading, which a socket that is
/// closed for writing because of the other side comes to at once.
#[derive(Debug)]
pub(super) struct Unheard<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Unheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write(context, bytes));
        Poll::Ready(written.or_else(|error| if_closed(error, bytes.len())))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write_vectored(context, slices));
        let all = || slices.iter().map(|slice| slice.len()).sum();
        Poll::Ready(written.or_else(|error| if_closed(error, all())))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.0).poll_flush(context));
        Poll::Ready(flushed.or_else(|error| if_closed(error, ())))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn if_closed<T>(error: io::Error, instead: T) -> io::Result<T> {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Ok(instead),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use h2::client::handshake;
    use http::Request;
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// SETTINGS, and GOAWAY that leaves out everything (RFC 9113, sections 6.5 and 6.8).
    const LEAVES: [u8; 26] =
        [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn a_goaway_is_heard_after_the_connection_was_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(&LEAVES).await.unwrap();
        server.set_zero_linger().unwrap();
        // The connection is reset before anything is written.
        drop(server);
        while stream.take_error().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        let (mut sender, connection) = handshake(Unheard(stream)).await.unwrap();
        let request = Request::get("http://catalogue/").body(()).unwrap();
        let (response, _stream) = sender.send_request(request, true).unwrap();
        let (answer, _ended) = tokio::join!(response, connection);
        assert!(answer.unwrap_err().is_go_away());
    }
}
