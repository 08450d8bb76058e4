//! Carries bytes both ways between two streams until both ways have ended, each on its own
//! (half-close).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Counts what a relay carries, as it goes.
pub trait Meter {
    /// Bytes from the one who opened the connection.
    fn forth(&self, bytes: usize);
    /// Bytes back to it.
    fn back(&self, bytes: usize);
}

/// Relays until both ways have ended.
///
/// # Errors
/// What either stream fails with; both are to be reset then, so that nobody takes the cut for an
/// end.
pub async fn relay<C, S>(client: &mut C, server: &mut S, meter: &impl Meter) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let forth = one_way(from_client, to_server, |bytes| meter.forth(bytes));
    let back = one_way(from_server, to_client, |bytes| meter.back(bytes));
    tokio::try_join!(forth, back).map(|((), ())| ())
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(usize),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return match to.shutdown().await {
                // The other side has gone already, which is no failure of this way.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                ended => ended,
            };
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        to.flush().await?;
        count(read);
    }
}

/// Larger buffers cost more processor time per byte here (measured: 16 to 32 KiB are best), and one
/// TLS record holds 16 KiB.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests;
