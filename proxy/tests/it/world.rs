//! A small world on loopback: proxies that are real but for redirection and the control plane, and
//! the certificates they trust.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use model::{
    endpoint::{Endpoint, Endpoints},
    identity::SpiffeId,
    inbound::{Inbound, InboundPort, MtlsMode},
    key::Key,
    mesh::{Mesh, OutboundPolicy},
    resource::{Destination, Resource},
    revision::Revision,
    service::{Backend, Protocol, Service, ServiceId, Split},
    trust::{Anchor, Trust},
};
use proxy::{
    access_log::{AccessLog, Switch},
    discovery::{Discovery, TestFeed},
    drain::Drain,
    identity::Identity,
    metrics::{Metrics, labels::Peer},
    original_dst::OriginalDst,
    ports,
    telemetry_rows::Rows,
    tls::Tls,
    worker::{Listener, Plane, Settings, Workers},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use runtime::clock::Clock;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Where clients in the tests believe the service to be.
pub(crate) const SERVICE: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 1), 80));

/// How long a head may take: short, so that no test has to wait for it.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_millis(300);

/// A root and what it signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor(self.0.der().to_vec())
    }

    pub(crate) fn sign(
        &self,
        id: &SpiffeId,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// The identity `name`, which trusts what this authority signs.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.identity_trusting(name, &[self])
    }

    pub(crate) fn identity_trusting(&self, name: &str, trusted: &[&Self]) -> Identity {
        let (chain, key) = self.sign(&id(name));
        Identity::for_tests(id(name), chain, key, trust(trusted))
    }
}

pub(crate) fn trust(authorities: &[&Authority]) -> Trust {
    Trust { decision: 1, anchors: authorities.iter().map(|authority| authority.anchor()).collect() }
}

pub(crate) fn id(name: &str) -> SpiffeId {
    SpiffeId::new("cluster.local".parse().unwrap(), "shop", name).unwrap()
}

pub(crate) fn service_id() -> ServiceId {
    ServiceId::new("catalogue.shop.svc.cluster.local", 80)
}

/// What a proxy is started with.
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) identity: Identity,
    pub(crate) resources: Vec<(Key, Resource)>,
    /// Where its application's connections were going.
    pub(crate) going_to: SocketAddr,
    /// Where connections to its pod were going: its application.
    pub(crate) coming_to: SocketAddr,
    pub(crate) workers: usize,
    /// How many connections it has room for, either way.
    pub(crate) connections: usize,
    /// Whether the kernel leads connections here and knows where they were going.
    pub(crate) redirected: bool,
}

impl Setup {
    pub(crate) fn new(name: &'static str) -> Self {
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
            redirected: false,
        }
    }

    pub(crate) fn with(mut self, resources: impl IntoIterator<Item = (Key, Resource)>) -> Self {
        self.resources.extend(resources);
        self
    }

    pub(crate) fn identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    pub(crate) fn going_to(self, going_to: SocketAddr) -> Self {
        Self { going_to, ..self }
    }

    /// Serves `application` as `mtls` says.
    pub(crate) fn serving(self, application: SocketAddr, mtls: MtlsMode) -> Self {
        let resource = inbound(self.name, application, mtls, Protocol::Detect);
        let setup = Self { coming_to: application, ..self };
        setup.with([(Key::Inbound, resource)])
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) plane: Arc<Plane>,
    feed: Option<TestFeed>,
    pub(crate) identity: Identity,
    workers: Option<Workers>,
}

impl Proxy {
    pub(crate) fn start(setup: Setup) -> Self {
        let Setup { name, identity, resources, going_to, coming_to, .. } = setup;
        let Setup { workers, connections, redirected, .. } = setup;
        let (discovery, feed) = Discovery::for_tests(resources);
        let clock = Clock::system();
        let listener = |to, port| match redirected {
            true => Listener { addresses: everywhere(port), original: OriginalDst::Kernel },
            false => Listener {
                addresses: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)],
                original: OriginalDst::Fixed(to),
            },
        };
        let settings = Settings {
            workers,
            outbound: listener(going_to, ports::OUTBOUND),
            inbound: listener(coming_to, ports::INBOUND),
            own_addresses: Vec::new(),
            connections,
            head_limit: HEAD_LIMIT,
            strict_grace: HEAD_LIMIT,
        };
        let plane = Arc::new(Plane {
            discovery,
            tls: Arc::new(Tls::new(identity.clone(), clock.clone())),
            drain: Drain::new(),
            metrics: Metrics::new(),
            rows: Rows::new(clock.clone()),
            access_log: AccessLog::new(clock.clone(), io::sink(), Switch::Off).unwrap(),
            local: Arc::new(Peer { workload: name.into(), ..Peer::unknown() }),
            clock,
            settings,
        });
        let workers = Some(Workers::start(&plane).unwrap());
        Self { plane, feed: Some(feed), identity, workers }
    }

    /// The hand that changes what the control plane says.
    pub(crate) fn feed(&self) -> &TestFeed {
        self.feed.as_ref().unwrap()
    }

    pub(crate) fn take_feed(&mut self) -> TestFeed {
        self.feed.take().unwrap()
    }

    /// Where its application's connections are led.
    pub(crate) fn outbound(&self) -> SocketAddr {
        self.workers.as_ref().unwrap().outbound[0]
    }

    /// Where connections to its pod are led.
    pub(crate) fn inbound(&self) -> SocketAddr {
        self.workers.as_ref().unwrap().inbound[0]
    }

    pub(crate) fn scrape(&self) -> String {
        let all = runtime::telemetry::Metrics::new();
        self.plane.metrics.register(&all);
        all.encode().unwrap()
    }

    /// The sum of all series of `name` that hold all of `labels`.
    pub(crate) fn counted(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.scrape();
        let is_it =
            |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        let lines = text.lines().filter(is_it);
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.workers.take().unwrap().stop().unwrap();
    }
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    let any = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.map(|address| SocketAddr::new(address, port)).to_vec()
}

pub(crate) fn mesh(outbound: OutboundPolicy) -> Resource {
    let cidrs = vec!["10.0.0.0/8".parse().unwrap()];
    let trust_domain = "cluster.local".parse().unwrap();
    Resource::Mesh(Arc::new(Mesh { trust_domain, cidrs, outbound, access_log: false }))
}

pub(crate) fn inbound(
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
pub(crate) fn service(endpoints: Vec<Endpoint>) -> Vec<(Key, Resource)> {
    let id = service_id();
    let destination = Resource::Destination(Destination::Service(id.clone()));
    let service = plain_service(Protocol::Detect, None);
    vec![
        (Key::Address(SERVICE), destination),
        (Key::Endpoints(id.clone()), self::endpoints(endpoints)),
        (Key::Service(id), Resource::Service(Arc::new(service))),
    ]
}

pub(crate) fn plain_service(protocol: Protocol, split: Option<Split>) -> Service {
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
        backends: [(service_id(), backend)].into(),
    }
}

pub(crate) fn endpoints(endpoints: Vec<Endpoint>) -> Resource {
    Resource::Endpoints(Arc::new(Endpoints { id: service_id(), endpoints }))
}

/// An endpoint that has a proxy.
pub(crate) fn meshed(address: SocketAddr, name: &str) -> Endpoint {
    Endpoint { identity: Some(id(name)), ..Endpoint::plain(address) }
}

pub(crate) fn of_revision(endpoint: Endpoint, revision: &str) -> Endpoint {
    Endpoint { revision: Some(Revision::new(revision).unwrap()), ..endpoint }
}

/// A client's proxy and a server's, with `application` behind the latter.
pub(crate) struct Pair {
    pub(crate) client: Proxy,
    pub(crate) server: Proxy,
}

impl Pair {
    pub(crate) fn start(application: SocketAddr) -> Self {
        let authority = Authority::new();
        let server = Setup::new("catalogue").identity(authority.identity("catalogue"));
        let server = Proxy::start(server.serving(application, MtlsMode::Strict));
        let endpoints = vec![meshed(server.inbound(), "catalogue")];
        let client = Setup::new("frontend").identity(authority.identity("frontend"));
        let client = Proxy::start(client.with(service(endpoints)));
        Self { client, server }
    }
}
