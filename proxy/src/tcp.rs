//! Byte streams: how they are opened, what they are carried by, and how one is relayed to another.
//!
//! Whether the other side is still there: between two proxies that share requests over HTTP/2, what
//! is sent and not confirmed for [`REQUESTS_UNANSWERED`] ends the connection. All others are only
//! asked while nothing is under way (keep-alive: after `KEEPALIVE`, then at every
//! `KEEPALIVE_INTERVAL` until the kernel's `tcp_keepalive_probes`, 9 as it comes, are missed). On
//! those, a node that lost its power with bytes under way to it is noticed only when the kernel
//! gives up sending them again (`tcp_retries2`, a quarter of an hour): `TCP_USER_TIMEOUT` would
//! take a reader that pauses for one that is gone.

pub mod opening;
pub mod relay;
pub mod stream;
pub mod tally;

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
    Ok(stream)
}

/// Whether a connection could not be made for want of something on this side: descriptors, ports,
/// memory. It says nothing about the other.
#[must_use]
pub fn is_exhaustion(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| EXHAUSTED.contains(&number))
}

/// Ends a connection whose other side, a node that lost its power, has confirmed nothing of what
/// was sent for `limit`. The kernel counts the time in which the other side has no room as well
/// (tcp(7), `TCP_USER_TIMEOUT`), so this is only for those that read all that comes.
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

/// How long bytes may go unconfirmed between two proxies that share requests over HTTP/2: they read
/// all that comes, whoever is slow behind them.
pub const REQUESTS_UNANSWERED: Duration = Duration::from_secs(15);
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Linux's `ENOMEM`, `ENFILE`, `EMFILE`, `EADDRINUSE` (no port to bind to), `EADDRNOTAVAIL` (none
/// to connect from) and `ENOBUFS`.
const EXHAUSTED: [i32; 6] = [12, 23, 24, 98, 99, 105];
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
