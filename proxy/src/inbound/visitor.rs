//! A connection from elsewhere: who came, which of the pod's ports it is for, and what its requests
//! are told.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use http::HeaderValue;
use model::{inbound::Inbound, service::Protocol};

use super::Arrived;
use crate::{
    http::recorder::{Party, Shared},
    metrics::labels::{PathLabels, Peer, Reporter, Security, ServiceLabels},
    pool::{Endpoint, Transport},
    tls::Proven,
    worker::Worker,
};

/// A connection from elsewhere to one of the pod's ports.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) worker: Rc<Worker>,
    pub(super) arrived: Arrived,
    /// The application, as the client addressed it.
    pub(super) application: Rc<Endpoint>,
    /// Whether it is a proxy of the mesh.
    pub(super) is_peer: bool,
    /// Whether the port is said to speak nothing that we know.
    pub(super) is_opaque: bool,
    /// What the application is told of it.
    pub(super) certificate: Option<HeaderValue>,
    /// For whom a load balancer sends.
    pub(super) forwarded_for: Option<HeaderValue>,
    /// The service that leads here.
    pub(super) service: Option<String>,
    party: Party,
}

impl Visitor {
    pub(super) fn new(
        worker: &Rc<Worker>,
        arrived: Arrived,
        policy: &Inbound,
        proven: Option<Proven>,
    ) -> Rc<Self> {
        let port = policy.ports.get(&arrived.original.port());
        let service = port.and_then(|port| port.service.as_ref());
        let labels = service.map_or_else(ServiceLabels::unknown, |service| ServiceLabels {
            host: service.id.host.clone(),
            name: service.name.clone(),
            namespace: service.namespace.clone(),
        });
        let path = PathLabels {
            reporter: Reporter::Destination,
            source: Peer::nobody(),
            destination: Arc::clone(&worker.plane.local),
            service: Arc::new(labels),
            security: if proven.is_some() { Security::MutualTls } else { Security::None },
        };
        let is_opaque = port.is_some_and(|port| port.protocol == Protocol::Tcp);
        let certificate = proven.as_ref().and_then(certificate);
        let is_peer = proven.is_some();
        let forwarded_for = arrived.is_passed_on.then(|| address(arrived.client)).flatten();
        let id = proven.map(|proven| proven.id);
        let party = Party::new(worker, path, arrived.sender.ip(), id);
        let application = worker.directory.endpoint(arrived.original, Transport::Application);
        let (worker, service) = (Rc::clone(worker), service.map(|service| service.id.to_string()));
        Rc::new(Self {
            worker,
            arrived,
            application,
            is_peer,
            is_opaque,
            certificate,
            forwarded_for,
            service,
            party,
        })
    }

    /// What counts on the way from it.
    pub(super) fn recorder(&self) -> Shared {
        self.party.recorder(&self.worker)
    }
}

fn address(client: SocketAddr) -> Option<HeaderValue> {
    HeaderValue::from_str(&client.ip().to_string()).ok()
}

/// What `x-forwarded-client-cert` says of a peer, in Envoy's form.
fn certificate(proven: &Proven) -> Option<HeaderValue> {
    let Proven { id, hash, ours } = proven;
    HeaderValue::from_str(&format!("By={ours};Hash={hash};Subject=\"\";URI={id}")).ok()
}
