//! A workload's own policy: what its proxy lets in.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    identity::SpiffeId,
    service::{Protocol, ServiceId},
};

/// What a proxy must know about the pod it runs in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inbound {
    /// The identity that the pod's certificate must carry.
    pub identity: SpiffeId,
    /// What to do with peers that are not of the mesh.
    pub mtls: MtlsMode,
    /// What is known of each port of the pod; a port that is absent is detected.
    pub ports: BTreeMap<u16, InboundPort>,
}

/// Whether peers without a mesh certificate are served.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum MtlsMode {
    /// Plain text and foreign TLS pass through to the application.
    #[default]
    Permissive,
    /// Only peers with a certificate of the mesh are served.
    Strict,
}

/// A port of the pod.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InboundPort {
    /// What the services that lead here say it speaks.
    pub protocol: Protocol,
    /// The service that leads here, for metric labels; the first by name if there are several.
    pub service: Option<InboundService>,
}

/// A service that leads to a port of the pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboundService {
    /// The service.
    pub id: ServiceId,
    /// Its Kubernetes name.
    pub name: Arc<str>,
    /// Its Kubernetes namespace.
    pub namespace: Arc<str>,
}
