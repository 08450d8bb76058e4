//! A request of ours on a connection of HTTP/2, from its head to the head of the response.
//!
//! This uses h2 itself, without hyper's client above it, which hands every request through two
//! channels to a task of its own (ADR 9). Here a request needs no task but the one that waits for
//! its response, unless its body goes on for longer than is at hand.

mod pipe;
mod tunnel;

use std::future::poll_fn;

use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
use http::{Method, Request, Response};
use tokio::task::AbortHandle;

use self::pipe::Pipe;
pub use self::tunnel::Tunnel;
use super::{arriving::Arriving, body::RequestBody};
use crate::pool::Http2Lease;

/// A request whose head is on its way.
#[derive(Debug)]
pub struct Asked {
    response: ResponseFuture,
    stream: SendStream<Bytes>,
    /// Whether the body's end was said with the head.
    has_ended: bool,
    is_connect: bool,
}

/// A body that is sent by a task of its own. If nobody waits for the response any more, the rest of
/// it is of no use, and the server is told by the stream's reset.
struct Sending(Option<AbortHandle>);

impl Asked {
    /// Sends the head of `request`, and with it the end of the body if there is none.
    ///
    /// # Errors
    /// That nothing was sent, because the connection takes no more requests or the head cannot be
    /// written.
    pub fn begin(
        lease: &Http2Lease,
        request: Request<()>,
        has_body: bool,
    ) -> Result<Self, h2::Error> {
        let is_connect = *request.method() == Method::CONNECT;
        let has_ended = !has_body && !is_connect;
        let (response, stream) = lease.send(request, has_ended)?;
        Ok(Self { response, stream, has_ended, is_connect })
    }

    /// Sends `body` and waits for the response's head. Dropping the future resets the stream.
    ///
    /// # Errors
    /// What ended the stream or the connection before.
    pub async fn answer(self, body: RequestBody) -> Result<Response<Arriving>, h2::Error> {
        let Self { response, stream, has_ended, is_connect } = self;
        if is_connect {
            let response = response.await?;
            return Ok(response.map(|body| Arriving::connected(body, stream)));
        }
        let sending = if has_ended { Sending(None) } else { Sending::begin(stream, body).await };
        let response = response.await?;
        sending.let_go();
        Ok(response.map(Arriving::of_stream))
    }
}

impl Sending {
    /// Sends what is at hand, and leaves what may come to a task.
    async fn begin(stream: SendStream<Bytes>, body: RequestBody) -> Self {
        let mut pipe = Box::pin(Pipe::new(stream, body));
        let is_done = poll_fn(|context| pipe.as_mut().poll(context).is_ready().into()).await;
        Self((!is_done).then(|| tokio::task::spawn_local(pipe).abort_handle()))
    }

    /// The response has begun; the body goes on to a server that still reads it.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
