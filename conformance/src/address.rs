//! Addresses for servers that cannot say which port they were given.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU8, Ordering},
};

/// An address of loopback that nobody else has: its host is of this process alone, so that the
/// port need not be a free one.
#[must_use]
pub fn own(port: u16) -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from((Ipv4Addr::new(127, high | 0x80, low, number), port))
}

/// A port of loopback that was free a moment ago, for servers that listen on all addresses.
///
/// # Errors
/// If there is none.
pub fn free() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

static NEXT: AtomicU8 = AtomicU8::new(1);
