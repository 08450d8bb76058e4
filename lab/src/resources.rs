//! What a control plane would say of the one service that there is.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{
    endpoint::{Endpoint, Endpoints},
    identity::SpiffeId,
    inbound::{Inbound, InboundPort, MtlsMode},
    key::Key,
    mesh::{Mesh, Otlp, OutboundPolicy, Tracing},
    resource::{Destination, Resource},
    revision::Revision,
    service::{Backend, Protocol, Service, ServiceId, Split},
    weight::Weight,
    workload::Workload,
};

use crate::SERVICE;

/// The identity of the service account `name`.
#[must_use]
pub fn id(name: &str) -> SpiffeId {
    SpiffeId::new("cluster.local".parse().unwrap(), "shop", name).unwrap()
}

/// The service at [`SERVICE`].
#[must_use]
pub fn service_id() -> ServiceId {
    ServiceId::new("catalogue.shop.svc.cluster.local", 80)
}

/// The mesh's defaults.
#[must_use]
pub fn mesh(outbound: OutboundPolicy) -> Resource {
    let cidrs = vec!["10.0.0.0/8".parse().unwrap()];
    let trust_domain = "cluster.local".parse().unwrap();
    Resource::Mesh(Arc::new(Mesh {
        trust_domain,
        cidrs,
        outbound,
        access_log: None,
        tracing: None,
    }))
}

/// The same, with a collector at `at` that is sent `sampling` of all traces.
#[must_use]
pub fn traced(at: SocketAddr, protocol: Otlp, sampling: Weight) -> Resource {
    let tracing = Tracing::new(&format!("http://{at}"), protocol, sampling).unwrap();
    let Resource::Mesh(mesh) = mesh(OutboundPolicy::AllowAny) else { unreachable!() };
    Resource::Mesh(Arc::new(Mesh { tracing: Some(tracing), ..Mesh::clone(&mesh) }))
}

/// The pod of the workload `name`.
#[must_use]
pub fn workload(name: &str) -> Workload {
    Workload {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        pod: format!("{name}-1").into(),
        namespace: "shop".into(),
        workload: name.into(),
        app: name.into(),
        version: "v1".into(),
        canonical_name: name.into(),
        canonical_revision: "v1".into(),
        revision: None,
        service_account: name.into(),
        identity: Some(id(name)),
        plain_ports: [].into(),
        keeps_case: false,
        node: "".into(),
        zone: "".into(),
    }
}

/// The policy of the workload `name`, whose application listens at `application`.
#[must_use]
pub fn inbound(
    name: &str,
    application: SocketAddr,
    mtls: MtlsMode,
    protocol: Protocol,
) -> Resource {
    let service = model::inbound::InboundService {
        id: service_id(),
        name: "catalogue".into(),
        namespace: "shop".into(),
    };
    let port = InboundPort { protocol, service: Some(service) };
    let ports = [(application.port(), port)].into();
    Resource::Inbound(Arc::new(Inbound { identity: id(name), mtls, ports }))
}

/// The service at [`SERVICE`], with these endpoints.
#[must_use]
pub fn service(endpoints: Vec<Endpoint>) -> Vec<(Key, Resource)> {
    let id = service_id();
    let destination = Resource::Destination(Destination::Service(id.clone()));
    let service = plain_service(Protocol::Detect, None);
    vec![
        (Key::Address(SERVICE), destination),
        (Key::Endpoints(id.clone()), self::endpoints(endpoints)),
        (Key::Service(id), Resource::Service(Arc::new(service))),
    ]
}

/// The service at [`SERVICE`], without routes.
#[must_use]
pub fn plain_service(protocol: Protocol, split: Option<Split>) -> Service {
    let backend = Backend {
        name: "catalogue".into(),
        namespace: "shop".into(),
        split,
        connect_timeout: Duration::from_secs(2),
    };
    Service {
        id: service_id(),
        name: "catalogue".into(),
        namespace: "shop".into(),
        protocol,
        routes: Vec::new(),
        backends: [(service_id(), backend)].into_iter().collect(),
    }
}

/// Its endpoints.
#[must_use]
pub fn endpoints(endpoints: Vec<Endpoint>) -> Resource {
    Resource::Endpoints(Arc::new(Endpoints { id: service_id(), endpoints }))
}

/// An endpoint that has a proxy.
#[must_use]
pub fn meshed(address: SocketAddr, name: &str) -> Endpoint {
    Endpoint { identity: Some(id(name)), ..Endpoint::plain(address) }
}

/// The same endpoint, of this revision.
#[must_use]
pub fn of_revision(endpoint: Endpoint, revision: &str) -> Endpoint {
    Endpoint { revision: Some(Revision::new(revision).unwrap()), ..endpoint }
}
