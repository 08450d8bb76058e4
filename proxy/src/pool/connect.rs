//! Opens a connection to an endpoint, by whichever transport it is reached.
//!
//! The application is reached at the very address its client asked for, from 127.0.0.6 (or ::6):
//! the redirect rules let that source pass, so the connection does not come back to us, and an
//! application that listens on the pod's address only, or on all, is reached alike. One that
//! listens on 127.0.0.1 only is not: it is not to be reached from outside, and a mesh must not
//! change that.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::time::timeout;

use super::{Endpoint, Transport};
use crate::{
    metrics::labels::Flags,
    ports,
    tcp::{
        self,
        stream::{Prefixed, Stream},
    },
    tls::{self, Carries, Tls},
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("failed to connect")]
    Connect(#[source] io::Error),
    /// There is no room for another connection on this side.
    #[error("no descriptor, port or memory for another connection")]
    Exhausted(#[source] io::Error),
    /// Whoever answers there did not prove to be the one expected.
    #[error("failed to agree on a connection of the mesh")]
    Tls(#[source] tls::Error),
    /// The other side did not begin HTTP as it should.
    #[error("failed to begin HTTP")]
    Http(#[source] hyper::Error),
    /// The same of HTTP/2.
    #[error("failed to begin HTTP/2")]
    Http2(#[source] h2::Error),
    /// It takes longer than somebody who can go elsewhere waits.
    #[error("connecting takes too long")]
    Slow,
    /// All places on all connections that may be opened are taken, and none was given back in time.
    #[error("no place on any connection")]
    Crowded,
}

impl Error {
    /// Whether it says anything about the endpoint: one that is slow may yet be there.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        !matches!(self, Self::Slow | Self::Crowded | Self::Exhausted(_))
    }

    /// Whether there is more to do than can be done.
    #[must_use]
    pub const fn is_overload(&self) -> bool {
        matches!(self, Self::Crowded | Self::Exhausted(_))
    }

    /// What is said of it in logs and counts.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        if self.is_overload() { Flags::UpstreamOverflow } else { Flags::UpstreamFailure }
    }

    /// What failing to open a connection comes to.
    #[must_use]
    pub fn of(error: io::Error) -> Self {
        if tcp::is_exhaustion(&error) { Self::Exhausted(error) } else { Self::Connect(error) }
    }
}

/// What `wait` comes to, unless that takes longer than `patience`.
///
/// # Errors
/// [`Error::Slow`] if it does.
pub async fn within<T>(
    patience: Option<Duration>,
    wait: impl Future<Output = T>,
) -> Result<T, Error> {
    match patience {
        Some(patience) => timeout(patience, wait).await.map_err(|_elapsed| Error::Slow),
        None => Ok(wait.await),
    }
}

/// Opens a connection to carry `carries`, which matters between proxies only.
///
/// # Errors
/// If nobody answers, or not the one expected.
pub async fn open(tls: &Tls, endpoint: &Endpoint, carries: Carries) -> Result<Stream, Error> {
    let Endpoint { address, transport, connect_limit, .. } = endpoint;
    let source = match transport {
        Transport::Application => Some(application_source(*address)),
        Transport::Mesh(_) | Transport::Plain => None,
    };
    let connected = tcp::connect(*address, source, connect_limit.get()).await;
    let stream = Prefixed::new(connected.map_err(Error::of)?);
    match transport {
        Transport::Mesh(id) => {
            let connected = tls.connect(stream, carries, id).await.map_err(Error::Tls)?;
            let stream = Stream::Tls(connected);
            if carries == Carries::Http2 {
                tcp::give_up_after(stream.inner(), tcp::REQUESTS_UNANSWERED)
                    .map_err(Error::Connect)?;
            }
            Ok(stream)
        }
        Transport::Plain | Transport::Application => Ok(Stream::Plain(stream)),
    }
}

const fn application_source(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => IpAddr::V4(ports::TO_APPLICATION_V4),
        SocketAddr::V6(_) => IpAddr::V6(ports::TO_APPLICATION_V6),
    }
}
