//! Sends a request's body on a stream of HTTP/2, as fast as its reader allows.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tracing::debug;

use crate::http::body::RequestBody;

/// A body on its way. It is done when all was handed to the connection, or nobody wants the rest.
#[derive(Debug)]
pub(super) struct Pipe {
    stream: SendStream<Bytes>,
    body: RequestBody,
    /// What was read and has no room yet.
    waiting: Option<Bytes>,
}

/// Nothing more is to be sent.
struct Done;

impl Pipe {
    pub(super) const fn new(stream: SendStream<Bytes>, body: RequestBody) -> Self {
        Self { stream, body, waiting: None }
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Done>> {
        if let Poll::Ready(reset) = self.stream.poll_reset(context) {
            debug!(?reset, "the server wants no more of a body");
            return Poll::Ready(Err(Done));
        }
        if self.waiting.is_some() {
            ready!(self.poll_room(context))?;
        }
        if let Some(data) = self.waiting.take() {
            return Poll::Ready(self.send(data));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => Poll::Ready(match frame.into_data() {
                // Room is asked for once there is something to send: what is asked for in advance
                // is taken from streams that have it.
                Ok(data) if !data.is_empty() => {
                    self.stream.reserve_capacity(1);
                    self.waiting = Some(data);
                    Ok(())
                }
                Ok(nothing) => self.send(nothing),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.stream.reserve_capacity(0);
                    // What fails here has ended the stream, and whoever waits for it is told.
                    drop(self.stream.send_trailers(trailers));
                    Err(Done)
                }
            }),
            Some(Err(error)) => {
                let cause = error.downcast_ref::<h2::Error>();
                let reason = cause.and_then(h2::Error::reason).unwrap_or(Reason::INTERNAL_ERROR);
                debug!(%error, %reason, "a request's body ended before its end");
                self.stream.send_reset(reason);
                Poll::Ready(Err(Done))
            }
            None => {
                drop(self.stream.send_data(Bytes::new(), true));
                Poll::Ready(Err(Done))
            }
        }
    }

    /// Waits until some of what waits may be sent.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Done>> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(context)) {
                Some(Ok(_room)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Done)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, data: Bytes) -> Result<(), Done> {
        let is_last = self.body.is_end_stream();
        let sent = self.stream.send_data(data, is_last);
        if is_last || sent.is_err() { Err(Done) } else { Ok(()) }
    }
}

impl Future for Pipe {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_step(context)).is_ok() {}
        Poll::Ready(())
    }
}
