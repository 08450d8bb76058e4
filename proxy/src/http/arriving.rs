//! A body as it comes from the other side, by HTTP/1 or HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{body::Error, framing::strip_trailers, http2::Tunnel};

/// A body that comes.
#[derive(Debug)]
pub enum Arriving {
    /// By way of hyper: of requests, and of responses of HTTP/1.
    Message {
        /// What hyper gives.
        incoming: Incoming,
        /// By which version it comes.
        version: Version,
    },
    /// On a stream of ours: of responses of HTTP/2.
    Stream {
        /// What comes.
        stream: RecvStream,
        /// Whether all data has come, and only trailers may follow.
        data_ended: bool,
        /// The other way of a stream that was to become a connection.
        back: Option<SendStream<Bytes>>,
    },
}

/// The server's end of a connection that has become something else.
#[derive(Debug)]
pub enum ServersEnd {
    /// By way of hyper.
    Upgraded(OnUpgrade),
    /// A stream of ours.
    Tunnel(Box<Tunnel>),
}

impl Arriving {
    /// The body of a message that hyper has read.
    #[must_use]
    pub const fn message(incoming: Incoming, version: Version) -> Self {
        Self::Message { incoming, version }
    }

    /// The body of a response on a stream of ours.
    #[must_use]
    pub const fn of_stream(stream: RecvStream) -> Self {
        Self::Stream { stream, data_ended: false, back: None }
    }

    /// The same where the stream was to become a connection, with `back` for its other way.
    #[must_use]
    pub const fn connected(stream: RecvStream, back: SendStream<Bytes>) -> Self {
        Self::Stream { stream, data_ended: false, back: Some(back) }
    }

    /// Whether nothing more will come, and its end was said.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Message { incoming, .. } => incoming.is_end_stream(),
            Self::Stream { stream, .. } => stream.is_end_stream(),
        }
    }

    /// How much may come yet.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        match self {
            Self::Message { incoming, .. } => incoming.size_hint(),
            Self::Stream { stream, .. } if stream.is_end_stream() => SizeHint::with_exact(0),
            Self::Stream { .. } => SizeHint::default(),
        }
    }

    /// The next frame that says something. HTTP/2 ends most bodies with an empty DATA frame, and
    /// passed on before the end is known it would be one more that ends nothing: servers close a
    /// connection after a hundred of those.
    pub(super) fn poll_telling(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let frame = match ready!(self.poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            match frame.into_trailers() {
                Ok(mut trailers) => {
                    strip_trailers(&mut trailers);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Err(frame) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Message { incoming, version } => {
                Poll::Ready(match ready!(Pin::new(&mut *incoming).poll_frame(context)) {
                    Some(frame) => Some(frame.map_err(Into::into)),
                    // hyper takes a stream that was reset without an error for one that has ended.
                    None if *version == Version::HTTP_2 && !incoming.is_end_stream() => {
                        Some(Err(HALF.into()))
                    }
                    None => None,
                })
            }
            Self::Stream { stream, data_ended, .. } => poll_stream(stream, data_ended, context),
        }
    }
}

/// A stream has ended only if its end was said (RFC 9113, section 8.1): half a message is no
/// message, whatever the reason of the reset says.
fn poll_stream(
    stream: &mut RecvStream,
    data_ended: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    let failed = |error: h2::Error| -> Error {
        match error.reason() {
            Some(Reason::NO_ERROR | Reason::CANCEL) if error.is_reset() => HALF.into(),
            Some(_) | None => error.into(),
        }
    };
    if !*data_ended {
        match ready!(stream.poll_data(context)) {
            Some(Ok(data)) => {
                // It was taken: the sender may send as much again. This fails for a stream that is
                // gone, which the next call says.
                drop(stream.flow_control().release_capacity(data.len()));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(failed(error)))),
            None => *data_ended = true,
        }
    }
    Poll::Ready(match ready!(stream.poll_trailers(context)) {
        Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
        Ok(None) if stream.is_end_stream() => None,
        Ok(None) => Some(Err(HALF.into())),
        Err(error) => Some(Err(failed(error))),
    })
}

impl ServersEnd {
    /// Takes the server's end out of a response by which it agreed.
    #[must_use]
    pub fn of(mut response: Response<Arriving>) -> (http::response::Parts, Self) {
        // hyper leaves the connection in the response's extensions.
        let upgraded = hyper::upgrade::on(&mut response);
        let (parts, body) = response.into_parts();
        let end = match body {
            Arriving::Stream { stream, back: Some(back), .. } => {
                Self::Tunnel(Box::new(Tunnel::new(stream, back)))
            }
            Arriving::Stream { .. } | Arriving::Message { .. } => Self::Upgraded(upgraded),
        };
        (parts, end)
    }
}

/// What is said of a message that ended in its middle without a reason.
const HALF: &str = "the stream was reset before its end";
