//! Connections as every part of a measurement has them.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

/// A connection to `to`.
///
/// # Errors
/// If nobody listens there.
pub async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    prepare(&stream)?;
    Ok(stream)
}

/// Small writes leave at once.
///
/// # Errors
/// If the socket is no more.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}
