//! What a proxy is started with.

use std::{collections::BTreeSet, net::SocketAddr, sync::mpsc::Sender, time::Duration};

use model::{
    inbound::MtlsMode, key::Key, mesh::OutboundPolicy, resource::Resource, service::Protocol,
};
use proxy::{identity::Identity, worker::Memory};

use crate::{
    SERVICE,
    resources::{inbound, mesh},
};

/// What a proxy is started with.
#[derive(Debug)]
pub struct Setup {
    /// The workload and its service account.
    pub name: &'static str,
    /// Its certificate, key and trust.
    pub identity: Identity,
    /// What discovery answers.
    pub resources: Vec<(Key, Resource)>,
    /// Where its application's connections were going.
    pub going_to: SocketAddr,
    /// Where connections to its pod were going: its application.
    pub coming_to: SocketAddr,
    /// How many threads carry its traffic.
    pub workers: usize,
    /// How many connections it has room for, either way.
    pub connections: usize,
    /// How long a connection waits for room.
    pub queue_limit: Duration,
    /// How much the process may hold.
    pub memory: Memory,
    /// Ports that a load balancer speaks the PROXY protocol to.
    pub proxy_protocol_ports: BTreeSet<u16>,
    /// Whether it keeps names of headers as they were written.
    pub keeps_case: bool,
    /// Where its access log is written to, as the mesh says; it writes none if there is no such
    /// place.
    pub log: Option<Sender<Vec<u8>>>,
    /// Where its application's connections come in, each of which goes where it was made to. One
    /// place, whose connections all go to `going_to`, if there is none.
    pub listening: Vec<SocketAddr>,
    /// Whether the kernel leads connections here and knows where they were going.
    pub redirected: bool,
}

impl Setup {
    /// A proxy without identity, application or service.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let resources = vec![(Key::Mesh, mesh(OutboundPolicy::AllowAny))];
        let (identity, nowhere) = (Identity::empty(), SERVICE);
        Self {
            name,
            identity,
            resources,
            going_to: SERVICE,
            coming_to: nowhere,
            workers: 1,
            connections: 1_000,
            queue_limit: Duration::from_secs(30),
            // A process of many tests holds what none of them does.
            memory: Memory::of_process(Some(u64::MAX)),
            proxy_protocol_ports: BTreeSet::new(),
            keeps_case: false,
            log: None,
            listening: Vec::new(),
            redirected: false,
        }
    }

    /// Its discovery answers this, too.
    #[must_use]
    pub fn with(mut self, resources: impl IntoIterator<Item = (Key, Resource)>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// Its access log is written to `lines`.
    #[must_use]
    pub fn logging_to(self, lines: Sender<Vec<u8>>) -> Self {
        Self { log: Some(lines), ..self }
    }

    /// It is `identity`.
    #[must_use]
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// Its application's connections were going to this address.
    #[must_use]
    pub fn going_to(self, going_to: SocketAddr) -> Self {
        Self { going_to, ..self }
    }

    /// Serves `application` as `mtls` says.
    #[must_use]
    pub fn serving(self, application: SocketAddr, mtls: MtlsMode) -> Self {
        let resource = inbound(self.name, application, mtls, Protocol::Detect);
        let setup = Self { coming_to: application, ..self };
        setup.with([(Key::Inbound, resource)])
    }
}
