//! A small world on loopback: proxies that are real but for redirection and the control plane, and
//! the certificates they trust. For tests and measurements; no part of the product.

#![expect(clippy::unwrap_used, reason = "a world that cannot be made fails whoever wanted it")]

mod authority;
mod resources;
mod running;
mod setup;
pub mod strict;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

pub use self::{
    authority::{Authority, trust},
    resources::{
        endpoints, id, inbound, mesh, meshed, of_revision, plain_service, service, service_id,
        traced, workload,
    },
    running::{Pair, Proxy},
    setup::Setup,
};

/// Where clients in the tests believe the service to be.
pub const SERVICE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 1), 80));

/// How long a head may take: short, so that no test has to wait for it.
pub const HEAD_LIMIT: Duration = Duration::from_millis(300);
