//! One connection to the target, over HTTP/1.1 or HTTP/2.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::plan::{Plan, Protocol};
use crate::{reply::BoxError, tasks::Tasks};

/// A connection that takes requests one after the other.
pub(super) enum Link {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// What became of a request that was handed to a link.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// Not a byte of it was written: the connection had ended before.
    Unsent,
    /// The connection ended, or broke, with the request on its way.
    Broken(hyper::Error),
}

impl Link {
    pub(super) async fn open(plan: &Plan) -> Result<Self, BoxError> {
        let stream = TcpStream::connect((plan.host.as_str(), plan.port)).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        // How the connection ends is seen by the requests on it.
        match plan.protocol {
            Protocol::Http1 { .. } => {
                let (sender, connection) = http1::handshake(io).await?;
                Tasks::default().spawn(async { drop(connection.await) });
                Ok(Self::Http1(sender))
            }
            Protocol::Http2 { .. } => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new());
                let (sender, connection) = builder.handshake(io).await?;
                Tasks::default().spawn(async { drop(connection.await) });
                Ok(Self::Http2(sender))
            }
        }
    }

    /// Waits until it can take a request; false if it has ended.
    pub(super) async fn usable(&mut self) -> bool {
        let ready = match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        };
        ready.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Sent {
        let sent = match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        };
        match sent {
            Ok(response) => Sent::Answered(response),
            Err(error) if error.message().is_some() => Sent::Unsent,
            Err(error) => Sent::Broken(error.into_error()),
        }
    }
}
