//! Byte streams: how they are opened, what they are carried by, and how one is relayed to another.

pub mod opening;
pub mod relay;
pub mod stream;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

/// Opens a connection within `limit`, from `source` if one is given.
///
/// # Errors
/// What the kernel says, or that time ran out.
pub async fn connect(
    to: SocketAddr,
    source: Option<IpAddr>,
    limit: Duration,
) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let connected = tokio::time::timeout(limit, socket.connect(to)).await;
    let stream = connected.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
    prepare(&stream)?;
    // What has a source of its own is the pod's application, which no network lies before.
    if source.is_none() {
        give_up_after(&stream, STREAM_UNANSWERED)?;
    }
    Ok(stream)
}

/// Ends a connection whose other side, a node that lost its power, has confirmed nothing of what
/// was sent for `limit`. Left alone, the kernel tries for a quarter of an hour (tcp(7),
/// `tcp_retries2`).
///
/// # Errors
/// If the socket is no more.
pub fn give_up_after(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(limit))
}

/// What every connection gets: small writes leave at once, and a peer that is gone is noticed in
/// the end, since nothing limits how long a stream may be silent.
///
/// # Errors
/// If the socket is no more.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// How long bytes may go unconfirmed. The kernel counts the time in which a reader has no room as
/// well, and one that is slow must not be taken for one that is gone.
pub const STREAM_UNANSWERED: Duration = Duration::from_secs(120);
/// The same between two proxies that share requests over HTTP/2: they read all that comes, whoever
/// is slow behind them.
pub const REQUESTS_UNANSWERED: Duration = Duration::from_secs(15);
/// What says nothing is asked so often that it has missed several questions when
/// [`STREAM_UNANSWERED`] is over: that limit ends the asking, too (tcp(7), `TCP_USER_TIMEOUT`).
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
