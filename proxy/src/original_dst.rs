//! Where a redirected connection was going before nftables led it here.

use std::{io, net::SocketAddr};

use socket2::SockRef;
use tokio::net::TcpStream;

/// How a listener learns where its connections were going.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OriginalDst {
    /// The kernel remembers what it redirected (`SO_ORIGINAL_DST`).
    Kernel,
    /// All go to one address: for tests, and for whoever has no redirection.
    Fixed(SocketAddr),
    /// Where they were made to: for measurements, which listen at every address that is called.
    Local,
}

/// Why a connection's destination is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel did not say.
    #[error("failed to read the original destination")]
    Read(#[source] io::Error),
    /// The kernel said something that is no address.
    #[error("the original destination is no IP address")]
    Form,
    /// The connection was made to the proxy itself, which would carry it in a circle.
    #[error("the connection was made to the proxy itself")]
    Itself,
}

impl OriginalDst {
    /// Where `stream` was going, IPv4 in its own form.
    ///
    /// # Errors
    /// If it was going to the proxy itself, or the kernel does not know.
    pub fn of(self, stream: &TcpStream) -> Result<SocketAddr, Error> {
        match self {
            Self::Fixed(address) => Ok(address),
            Self::Local => Ok(canonical(stream.local_addr().map_err(Error::Read)?)),
            Self::Kernel => from_kernel(stream),
        }
    }
}

fn from_kernel(stream: &TcpStream) -> Result<SocketAddr, Error> {
    let local = canonical(stream.local_addr().map_err(Error::Read)?);
    let socket = SockRef::from(stream);
    // A dual-stack listener has IPv4 connections, whose original destination only the IPv4 option
    // tells.
    let told = if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    let original = match told {
        Ok(address) => canonical(address.as_socket().ok_or(Error::Form)?),
        // Not in the connection table: nobody redirected it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => local,
        Err(error) => return Err(Error::Read(error)),
    };
    if original == local { Err(Error::Itself) } else { Ok(original) }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
