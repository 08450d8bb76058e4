//! Values of everything that travels, for properties.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use model::{
    decision::{DecidedSplit, Decision, RolloutId},
    endpoint::{Endpoint, Endpoints, Readiness},
    identity::SpiffeId,
    inbound::{Inbound, InboundPort, InboundService, MtlsMode},
    key::{Key, Version},
    mesh::{AccessLog, Encoding, Mesh, Otlp, OutboundPolicy, Tracing},
    resource::{Destination, Resource},
    revision::Revision,
    route::{HeaderMatch, PathMatch, QueryMatch, RequestMatch, Route, WeightedBackend},
    service::{Backend, Backends, Protocol, Service, ServiceId, Share, Split},
    trust::{Anchor, Fingerprint, Trust},
    weight::Weight,
    workload::Workload,
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::{Just, Strategy, any, prop_oneof},
};
use wire::message::{
    Ack, FromReplica, Held, HeldDecision, Hello, Leaf, Nack, ProxyState, Report, Row, Rows,
    ToControl, Token,
};

pub(crate) fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-z][a-z0-9-]{0,12}".prop_map(Arc::from)
}

fn text() -> impl Strategy<Value = Arc<str>> {
    ".{0,24}".prop_map(Arc::from)
}

fn port() -> impl Strategy<Value = u16> {
    1..=u16::MAX
}

fn ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(|ip| ip.to_canonical())
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (ip(), port()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    ("[a-z0-9_-]{1,8}(\\.[a-z0-9-]{1,8}){0,3}", port())
        .prop_map(|(host, port)| ServiceId::new(&host, port))
}

fn identity() -> impl Strategy<Value = SpiffeId> {
    (name(), name()).prop_map(|(namespace, account)| {
        SpiffeId::new("cluster.local".parse().unwrap(), &namespace, &account).unwrap()
    })
}

fn revision() -> impl Strategy<Value = Revision> {
    "[a-z0-9]{1,10}".prop_map(|text| Revision::new(text).unwrap())
}

fn rollout() -> impl Strategy<Value = RolloutId> {
    (name(), name()).prop_map(|(namespace, name)| RolloutId::new(&namespace, &name))
}

fn share() -> impl Strategy<Value = Share> {
    let weighted = (0..=10_000_u16).prop_map(|points| Weight::from_basis_points(points).unwrap());
    prop_oneof![weighted.prop_map(Share::Weighted), Just(Share::Joined)]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    let all = [Protocol::Detect, Protocol::Http, Protocol::Http2, Protocol::Tcp];
    proptest::sample::select(all.to_vec())
}

pub(crate) fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        address().prop_map(Key::Address),
        service_id().prop_map(Key::Host),
        service_id().prop_map(Key::Service),
        service_id().prop_map(Key::Endpoints),
        ip().prop_map(Key::Workload),
        proptest::sample::select(vec![Key::Inbound, Key::Trust, Key::Mesh]),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    (1..=u64::MAX).prop_map(Version)
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; 32]>().prop_map(Fingerprint)
}

pub(crate) fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        Just(Resource::Destination(Destination::Workload)),
        service_id().prop_map(|id| Resource::Destination(Destination::Service(id))),
        service().prop_map(|it| Resource::Service(Arc::new(it))),
        endpoints().prop_map(|it| Resource::Endpoints(Arc::new(it))),
        workload().prop_map(|it| Resource::Workload(Arc::new(it))),
        inbound().prop_map(|it| Resource::Inbound(Arc::new(it))),
        trust().prop_map(|it| Resource::Trust(Arc::new(it))),
        mesh().prop_map(|it| Resource::Mesh(Arc::new(it))),
    ]
}

fn service() -> impl Strategy<Value = Service> {
    let backends = btree_map(service_id(), backend(), 0..4);
    let backends = backends.prop_map(|all| all.into_iter().collect());
    (service_id(), name(), name(), protocol(), vec(route(), 0..4), backends).prop_map(
        |(id, name, namespace, protocol, routes, backends)| Service {
            id,
            name,
            namespace,
            protocol,
            routes,
            backends,
        },
    )
}

fn backend() -> impl Strategy<Value = Backend> {
    let split = (rollout(), any::<u64>(), revision(), share())
        .prop_map(|(rollout, decision, canary, share)| Split { rollout, decision, canary, share });
    (name(), name(), option::of(split), 0..100_000_u64).prop_map(
        |(name, namespace, split, millis)| Backend {
            name,
            namespace,
            split,
            connect_timeout: Duration::from_millis(millis),
        },
    )
}

fn route() -> impl Strategy<Value = Route> {
    let backend = (option::of(service_id()), any::<u32>())
        .prop_map(|(service, weight)| WeightedBackend { service, weight });
    (text(), request_match(), vec(backend, 0..4)).prop_map(|(name, matches, backends)| Route {
        name,
        matches,
        backends,
    })
}

fn request_match() -> impl Strategy<Value = RequestMatch> {
    let path = prop_oneof![text().prop_map(PathMatch::Exact), text().prop_map(PathMatch::Prefix)];
    let header = (text(), text()).prop_map(|(name, value)| HeaderMatch { name, value });
    let query = (text(), text()).prop_map(|(name, value)| QueryMatch { name, value });
    let method = option::of("[A-Z]{3,7}".prop_map(Arc::from));
    (path, method, vec(header, 0..3), vec(query, 0..3))
        .prop_map(|(path, method, headers, query)| RequestMatch { path, method, headers, query })
}

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let readiness = prop_oneof![Just(Readiness::Ready), Just(Readiness::Gated)];
    let (identity, revision) = (option::of(identity()), option::of(revision()));
    let endpoint = (address(), identity, revision, readiness, text(), any::<bool>()).prop_map(
        |(address, identity, revision, readiness, zone, keeps_case)| Endpoint {
            address,
            identity,
            revision,
            readiness,
            zone,
            keeps_case,
        },
    );
    (service_id(), vec(endpoint, 0..6)).prop_map(|(id, endpoints)| Endpoints { id, endpoints })
}

fn workload() -> impl Strategy<Value = Workload> {
    let names = (text(), text(), text(), text(), text());
    let more = (text(), text(), text(), text(), text());
    let settings = (btree_set(1_u16.., 0..4), any::<bool>());
    (ip(), names, more, option::of(revision()), option::of(identity()), settings).prop_map(
        |(address, names, more, revision, identity, (plain_ports, keeps_case))| Workload {
            address,
            pod: names.0,
            namespace: names.1,
            workload: names.2,
            app: names.3,
            version: names.4,
            canonical_name: more.0,
            canonical_revision: more.1,
            revision,
            service_account: more.2,
            identity,
            plain_ports,
            keeps_case,
            node: more.3,
            zone: more.4,
        },
    )
}

fn inbound() -> impl Strategy<Value = Inbound> {
    let service = (service_id(), name(), name()).prop_map(|(id, name, namespace)| InboundService {
        id,
        name,
        namespace,
    });
    let port_policy = (protocol(), option::of(service))
        .prop_map(|(protocol, service)| InboundPort { protocol, service });
    let mtls = prop_oneof![Just(MtlsMode::Permissive), Just(MtlsMode::Strict)];
    (identity(), mtls, btree_map(port(), port_policy, 0..4))
        .prop_map(|(identity, mtls, ports)| Inbound { identity, mtls, ports })
}

pub(crate) fn trust() -> impl Strategy<Value = Trust> {
    (any::<u64>(), vec(vec(any::<u8>(), 0..64).prop_map(Anchor), 0..3))
        .prop_map(|(decision, anchors)| Trust { decision, anchors })
}

fn mesh() -> impl Strategy<Value = Mesh> {
    let cidr = prop_oneof![Just("10.0.0.0/8"), Just("fd00::/64"), Just("192.168.7.1/32")];
    let outbound = prop_oneof![Just(OutboundPolicy::AllowAny), Just(OutboundPolicy::RegistryOnly)];
    let cidrs = vec(cidr.prop_map(|text| text.parse().unwrap()), 0..3);
    (cidrs, outbound, option::of(access_log()), option::of(tracing())).prop_map(
        |(cidrs, outbound, access_log, tracing)| Mesh {
            trust_domain: "cluster.local".parse().unwrap(),
            cidrs,
            outbound,
            access_log,
            tracing,
        },
    )
}

fn access_log() -> impl Strategy<Value = AccessLog> {
    let encoding = prop_oneof![Just(Encoding::Json), Just(Encoding::Text)];
    (encoding, 0..=10_000_u16, any::<bool>()).prop_map(|(encoding, points, only_errors)| {
        let sampling = Weight::from_basis_points(points).unwrap();
        AccessLog { encoding, sampling, only_errors }
    })
}

fn tracing() -> impl Strategy<Value = Tracing> {
    let said = prop_oneof![
        Just(("http://otel:4317", Otlp::Grpc)),
        Just(("http://[fd00::1]:4318", Otlp::Http)),
        Just(("http://otel:4318/tenant/a", Otlp::Http)),
    ];
    (said, 0..=10_000_u16).prop_map(|((endpoint, protocol), points)| {
        Tracing::new(endpoint, protocol, Weight::from_basis_points(points).unwrap()).unwrap()
    })
}

fn held_decision() -> impl Strategy<Value = HeldDecision> {
    (rollout(), any::<u64>()).prop_map(|(rollout, acked)| HeldDecision { rollout, acked })
}

pub(crate) fn to_control() -> impl Strategy<Value = ToControl> {
    let held = (key(), option::of(version()), any::<u64>(), vec(held_decision(), 0..3))
        .prop_map(|(key, version, decision, rollouts)| Held { key, version, decision, rollouts });
    let ack = (key(), version(), any::<u64>()).prop_map(|(key, version, decision)| Ack {
        key,
        version,
        decision,
    });
    let nack = (key(), version(), ".{0,80}").prop_map(|(key, version, reason)| Nack {
        key,
        version,
        reason,
    });
    prop_oneof![
        hello().prop_map(ToControl::Hello),
        vec(held, 1..5).prop_map(ToControl::Subscribe),
        vec(key(), 1..5).prop_map(ToControl::Unsubscribe),
        ack.prop_map(ToControl::Ack),
        nack.prop_map(ToControl::Nack),
        report().prop_map(ToControl::Report),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let names = (text(), text(), text(), text());
    (names, any::<u64>(), vec(name(), 0..3), ".{0,64}").prop_map(
        |((pod_uid, pod_name, namespace, version), epoch, capabilities, token)| Hello {
            pod_uid,
            pod_name,
            namespace,
            version,
            epoch,
            capabilities,
            token: Token(token),
        },
    )
}

fn leaf() -> impl Strategy<Value = Leaf> {
    (fingerprint(), any::<u64>()).prop_map(|(issuer, not_after)| Leaf { issuer, not_after })
}

fn row() -> impl Strategy<Value = Row> {
    let counts = (any::<u64>(), any::<u64>(), any::<u64>());
    (rollout(), option::of(revision()), counts).prop_map(
        |(rollout, revision, (attempts, failures, first_failure_millis))| Row {
            rollout,
            revision,
            attempts,
            failures,
            first_failure_millis,
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    (vec(row(), 0..4), option::of(leaf())).prop_map(|(rows, leaf)| Report { rows, leaf })
}

pub(crate) fn from_replica() -> impl Strategy<Value = FromReplica> {
    let rows = (text(), any::<u64>(), vec(row(), 0..4)).prop_map(|(pod_uid, epoch, rows)| Rows {
        pod_uid,
        epoch,
        rows,
    });
    prop_oneof![
        proxy_state().prop_map(FromReplica::Proxy),
        text().prop_map(FromReplica::Gone),
        rows.prop_map(FromReplica::Rows),
        Just(FromReplica::Synced),
        Just(FromReplica::Heartbeat),
    ]
}

fn proxy_state() -> impl Strategy<Value = ProxyState> {
    let names = (text(), text(), text(), text());
    let counts = (any::<u64>(), 0..1_000_000_u64, any::<u32>(), any::<u32>());
    let proofs = (option::of(fingerprint()), option::of(leaf()), vec(held_decision(), 0..3));
    (names, counts, vec(text(), 0..8), proofs).prop_map(
        |(names, (epoch, silent, subscribed, acked), stale_keys, (trust, leaf, decisions))| {
            ProxyState {
                pod_uid: names.0,
                pod_name: names.1,
                namespace: names.2,
                version: names.3,
                epoch,
                silent: Duration::from_millis(silent),
                subscribed,
                acked,
                stale_keys,
                trust,
                leaf,
                decisions,
            }
        },
    )
}

pub(crate) fn decision() -> impl Strategy<Value = Decision> {
    let split = (revision(), share()).prop_map(|(canary, share)| DecidedSplit { canary, share });
    (rollout(), any::<u64>(), vec(name(), 0..3), option::of(split)).prop_map(
        |(rollout, number, services, split)| Decision { rollout, number, services, split },
    )
}

/// The key under which a resource can be pushed.
pub(crate) fn key_of(resource: &Resource) -> Key {
    match resource {
        Resource::Destination(_) => Key::Address("10.0.0.1:80".parse().unwrap()),
        Resource::Service(service) => Key::Service(service.id.clone()),
        Resource::Endpoints(endpoints) => Key::Endpoints(endpoints.id.clone()),
        Resource::Workload(workload) => Key::Workload(workload.address),
        Resource::Inbound(_) => Key::Inbound,
        Resource::Trust(_) => Key::Trust,
        Resource::Mesh(_) => Key::Mesh,
    }
}

/// A service with nothing in it.
pub(crate) fn empty_service(host: &str) -> Resource {
    Resource::Service(Arc::new(Service {
        id: ServiceId::new(host, 80),
        name: "web".into(),
        namespace: "shop".into(),
        protocol: Protocol::Http,
        routes: Vec::new(),
        backends: Backends::default(),
    }))
}
