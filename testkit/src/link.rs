//! One connection to a server, over HTTP/1.1 or HTTP/2, that takes requests one after the other.

use http::{Request, Response, Uri};
use hyper::{
    body::{Body, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::{reply::BoxError, tasks::Tasks};

/// Where a server listens, in clear text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `host:port` as the URL has it.
    pub(crate) authority: String,
}

/// Why a URL is no target.
#[derive(Debug, Error)]
#[error("'{0}' is no URL of the form http://HOST:PORT/PATH")]
pub(crate) struct NoTarget(Uri);

impl Target {
    /// The target of an `http://`, `ws://` or `tcp://` URL.
    pub(crate) fn of(url: &Uri) -> Result<Self, NoTarget> {
        let authority =
            url.authority().filter(|_| matches!(url.scheme_str(), Some("http" | "ws" | "tcp")));
        let authority = authority.ok_or_else(|| NoTarget(url.clone()))?;
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
        })
    }
}

/// A connection that takes requests one after the other.
pub(crate) enum Link<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

/// What became of a request that was handed to a link.
pub(crate) enum Sent {
    Answered(Response<Incoming>),
    /// Not a byte of it was written: the connection had ended before.
    Unsent,
    /// The connection ended, or broke, with the request on its way.
    Broken(hyper::Error),
}

impl<B> Link<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Connects; how the connection ends is seen by the requests on it.
    pub(crate) async fn open(target: &Target, http2: bool) -> Result<Self, BoxError> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            let (sender, connection) = builder.handshake(io).await?;
            Tasks::default().spawn(async { drop(connection.await) });
            return Ok(Self::Http2(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        Tasks::default().spawn(async { drop(connection.await) });
        Ok(Self::Http1(sender))
    }

    /// Waits until it can take a request; false if it has ended.
    pub(crate) async fn usable(&mut self) -> bool {
        let ready = match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        };
        ready.is_ok()
    }

    pub(crate) async fn send(&mut self, request: Request<B>) -> Sent {
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

/// Brings a request for a whole URL into the form of its protocol: HTTP/1.1 has the path on its
/// first line and the host in a header, HTTP/2 takes the URL.
pub(crate) fn address<B>(request: &mut Request<B>, http2: bool) -> Result<(), BoxError> {
    if http2 {
        *request.version_mut() = http::Version::HTTP_2;
        return Ok(());
    }
    let authority = request.uri().authority().map_or("", http::uri::Authority::as_str);
    let host = http::HeaderValue::from_str(authority)?;
    request.headers_mut().entry(http::header::HOST).or_insert(host);
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse()?;
    Ok(())
}
