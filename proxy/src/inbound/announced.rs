//! Connections that a load balancer passes on, on ports where the pod says that one does: whose
//! they are comes first (the PROXY protocol), and without it nobody is served. Peers of the mesh
//! say who they are in another way.

use std::rc::Rc;

use tokio::time::timeout;

use super::Arrived;
use crate::{
    detect::{
        client_hello,
        proxy_protocol::{self, Parsed},
    },
    tcp::stream::Prefixed,
    worker::Worker,
};

/// How a connection began on such a port.
pub(super) enum Announced {
    /// With a header, which says as much.
    By(Arrived),
    /// With TLS, which may be a peer of the mesh.
    Handshake,
    /// With anything else, or with nothing in time.
    Malformed,
    /// With its end.
    Closed,
}

/// Whether a header is expected on the port that somebody came to.
pub(super) fn is_expected(worker: &Worker, arrived: Arrived) -> bool {
    worker.plane.settings.proxy_protocol_ports.contains(&arrived.original.port())
}

/// Reads the header, and nothing of what follows it.
pub(super) async fn read(
    worker: &Rc<Worker>,
    arrived: Arrived,
    stream: &mut Prefixed,
) -> Announced {
    let limit = worker.plane.settings.head_limit;
    timeout(limit, read_whole(arrived, stream)).await.unwrap_or(Announced::Malformed)
}

async fn read_whole(arrived: Arrived, stream: &mut Prefixed) -> Announced {
    loop {
        match proxy_protocol::parse(stream.ahead()) {
            Parsed::Header(header) => {
                stream.skip(header.length);
                let client = header.client.unwrap_or(arrived.sender);
                return Announced::By(Arrived { client, is_passed_on: true, ..arrived });
            }
            Parsed::Other if stream.ahead().first() == Some(&client_hello::HANDSHAKE) => {
                return Announced::Handshake;
            }
            Parsed::Other => return Announced::Malformed,
            Parsed::Partial => match stream.read_ahead().await {
                Ok(0) if stream.ahead().is_empty() => return Announced::Closed,
                Ok(0) => return Announced::Malformed,
                Err(_reset) => return Announced::Closed,
                Ok(_) => {}
            },
        }
    }
}
