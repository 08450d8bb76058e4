//! Carries bytes both ways between two streams until both ways have ended, each on its own
//! (half-close).

use std::io;

use crate::metrics::labels::Flags;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Counts what a relay carries, as it goes.
pub trait Meter {
    /// Bytes from the one who opened the connection.
    fn forth(&self, bytes: usize);
    /// Bytes back to it.
    fn back(&self, bytes: usize);
}

/// Who ended a relay before its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The one who opened the connection.
    #[error("the client's connection was cut")]
    Client(#[source] io::Error),
    /// The one it was opened to.
    #[error("the server's connection was cut")]
    Server(#[source] io::Error),
}

impl Cut {
    /// The client was to prove that it is of the mesh, and has not.
    #[must_use]
    pub fn of_stranger() -> Self {
        Self::Client(io::Error::other("it is no peer"))
    }

    /// What is said of it in logs.
    #[must_use]
    pub const fn flags(ended: &Result<(), Self>) -> Flags {
        match ended {
            Ok(()) => Flags::None,
            Err(Self::Client(_)) => Flags::DownstreamTermination,
            Err(Self::Server(_)) => Flags::UpstreamTermination,
        }
    }
}

/// Relays until both ways have ended.
///
/// # Errors
/// Whose stream failed, and with what; both are to be reset then, so that nobody takes the cut for
/// an end.
pub async fn relay<C, S>(client: &mut C, server: &mut S, meter: &impl Meter) -> Result<(), Cut>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let forth = one_way(from_client, to_server, |bytes| meter.forth(bytes));
    let back = one_way(from_server, to_client, |bytes| meter.back(bytes));
    let forth = async { forth.await.map_err(|failed| failed.cut(Cut::Client, Cut::Server)) };
    let back = async { back.await.map_err(|failed| failed.cut(Cut::Server, Cut::Client)) };
    tokio::try_join!(forth, back).map(|((), ())| ())
}

/// Which end of one way failed.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

impl Failed {
    /// Who it was, if one way leads from `reader`'s stream to `writer`'s.
    fn cut(self, reader: fn(io::Error) -> Cut, writer: fn(io::Error) -> Cut) -> Cut {
        match self {
            Self::Reading(error) => reader(error),
            Self::Writing(error) => writer(error),
        }
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(usize),
) -> Result<(), Failed> {
    let mut buffer = vec![0; SMALL];
    loop {
        let read = from.read(&mut buffer).await.map_err(Failed::Reading)?;
        if read == 0 {
            return match to.shutdown().await {
                // The other side has gone already, which is no failure of this way.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                ended => ended.map_err(Failed::Writing),
            };
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        to.write_all(bytes).await.map_err(Failed::Writing)?;
        to.flush().await.map_err(Failed::Writing)?;
        count(read);
        fit(&mut buffer, read);
    }
}

/// Who sends much gets a larger buffer, and who sends little gives it back.
fn fit(buffer: &mut Vec<u8>, read: usize) {
    if read == buffer.len() && read < LARGE {
        buffer.resize(LARGE, 0);
    } else if read <= SMALL / 2 && buffer.len() > SMALL {
        buffer.truncate(SMALL);
        buffer.shrink_to_fit();
    }
}

/// Holds a whole record of TLS, which is as much as is read of one at a time.
const SMALL: usize = 16 * 1024;
/// What costs least for each byte. More is no better, and 64 KiB is much worse
/// (docs/performance.md).
const LARGE: usize = 48 * 1024;

#[cfg(test)]
mod tests;
