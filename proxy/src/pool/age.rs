//! How long a kept connection is used: not for ever, so that what stands behind an address (a load
//! balancer, a certificate) can change, and no counter on it runs out.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// Since when a connection stands, and how much it has carried.
#[derive(Debug)]
pub(super) struct Age {
    born: Instant,
    requests: Cell<u32>,
}

impl Age {
    /// A new connection.
    #[must_use]
    pub(super) const fn new(born: Instant) -> Self {
        Self { born, requests: Cell::new(0) }
    }

    /// Counts a request.
    pub(super) fn count(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Whether the connection has been used for long enough: it gets no further request.
    #[must_use]
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.born) >= OLDEST || self.requests.get() >= MOST
    }
}

/// Long against what a handshake costs, short against what lives longer than it should.
const OLDEST: Duration = Duration::from_secs(30 * 60);
/// A thousandth of the streams that a connection of HTTP/2 can have (RFC 9113, section 5.1.1).
const MOST: u32 = 1_000_000;

#[cfg(test)]
mod tests;
