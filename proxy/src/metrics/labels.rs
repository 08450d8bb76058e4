//! The labels of Istio's standard metrics, as types: who called whom, by which service, and how it
//! ended.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use model::{identity::SpiffeId, workload::Workload};
use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};

use super::table::Labels;

/// Labels of a request that has ended.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct RequestLabels {
    /// Between whom.
    pub path: Arc<PathLabels>,
    /// HTTP or gRPC.
    pub protocol: RequestProtocol,
    /// The status; 0 if the client was gone before there was one.
    pub code: u16,
    /// gRPC's status, if it is gRPC and came to one.
    pub grpc_status: Option<u16>,
    /// What the proxy has to say about the end.
    pub flags: Flags,
}

/// Labels of gRPC's messages, which are counted before it is known how their call ends.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct MessageLabels {
    /// Between whom.
    pub path: Arc<PathLabels>,
}

/// Labels of a connection of no known protocol, as they are written.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) struct StreamLabels {
    /// Between whom.
    pub(super) path: Arc<PathLabels>,
    /// What the proxy has to say about it.
    pub(super) flags: Flags,
}

/// Labels that are known before anything is sent.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct PathLabels {
    /// Which side counts.
    pub reporter: Reporter,
    /// Who called.
    pub source: Arc<Peer>,
    /// Who was called.
    pub destination: Arc<Peer>,
    /// By which service.
    pub service: Arc<ServiceLabels>,
    /// Whether both proved who they are.
    pub security: Security,
}

/// A workload, as labels name it. What is not known is `unknown`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Peer {
    /// The workload's name.
    pub workload: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its SPIFFE id.
    pub principal: Arc<str>,
    /// Its label `app`.
    pub app: Arc<str>,
    /// Its label `version`.
    pub version: Arc<str>,
    /// Istio's canonical service.
    pub canonical_service: Arc<str>,
    /// Istio's canonical revision.
    pub canonical_revision: Arc<str>,
    /// The pod-template-hash.
    pub revision: Arc<str>,
}

/// A service, as labels name it.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct ServiceLabels {
    /// The host name.
    pub host: Arc<str>,
    /// The Kubernetes name.
    pub name: Arc<str>,
    /// The Kubernetes namespace.
    pub namespace: Arc<str>,
}

/// Which side counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Reporter {
    /// The client's proxy.
    Source,
    /// The server's proxy.
    Destination,
}

/// What a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum RequestProtocol {
    /// HTTP of any version.
    Http,
    /// gRPC.
    Grpc,
}

/// Whether both sides proved who they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Security {
    /// With certificates of the mesh.
    MutualTls,
    /// Not at all.
    None,
}

/// What the proxy has to say about an end, in Envoy's letters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Flags {
    /// Nothing.
    None,
    /// No endpoint to send it to.
    NoHealthyUpstream,
    /// No connection to any endpoint.
    UpstreamFailure,
    /// Too many requests were under way to it.
    UpstreamOverflow,
    /// The upstream's connection ended too early.
    UpstreamTermination,
    /// No route.
    NoRoute,
    /// The client was gone first.
    DownstreamTermination,
    /// The request was not well-formed.
    DownstreamProtocolError,
}

impl Peer {
    /// Somebody nothing is known of.
    #[must_use]
    pub fn unknown() -> Self {
        let unknown = unknown();
        Self {
            workload: unknown.clone(),
            namespace: unknown.clone(),
            principal: unknown.clone(),
            app: unknown.clone(),
            version: unknown.clone(),
            canonical_service: unknown.clone(),
            canonical_revision: unknown.clone(),
            revision: unknown,
        }
    }

    /// The same, shared by all who know nothing of somebody.
    #[must_use]
    pub fn nobody() -> Arc<Self> {
        static NOBODY: LazyLock<Arc<Peer>> = LazyLock::new(|| Arc::new(Peer::unknown()));
        Arc::clone(&NOBODY)
    }

    /// Somebody of whom only the certificate is known.
    #[must_use]
    pub fn from_identity(id: &SpiffeId) -> Self {
        let (principal, namespace) = (id.to_string().into(), id.namespace().into());
        Self { principal, namespace, ..Self::unknown() }
    }

    /// A workload. What is claimed of an address is believed only if it agrees with `proven`, what
    /// the peer's certificate says.
    #[must_use]
    pub fn from_workload(workload: &Workload, proven: Option<&SpiffeId>) -> Self {
        if let Some(id) = proven
            && workload.identity.as_ref() != Some(id)
        {
            return Self::from_identity(id);
        }
        let known = |name: &Arc<str>| if name.is_empty() { unknown() } else { name.clone() };
        let revision = workload.revision.as_ref();
        Self {
            workload: known(&workload.workload),
            namespace: known(&workload.namespace),
            principal: proven.map_or_else(unknown, |id| id.to_string().into()),
            app: known(&workload.app),
            version: known(&workload.version),
            canonical_service: known(&workload.canonical_name),
            canonical_revision: known(&workload.canonical_revision),
            revision: revision.map_or_else(unknown, |revision| revision.as_str().into()),
        }
    }
}

impl ServiceLabels {
    /// No service that is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self { host: unknown(), name: unknown(), namespace: unknown() }
    }
}

impl Reporter {
    const fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

impl RequestProtocol {
    /// The name used in labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

impl Security {
    const fn label(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual_tls",
            Self::None => "none",
        }
    }
}

impl Flags {
    /// All, in the order of their numbers.
    pub(super) const ALL: [Self; 8] = [
        Self::None,
        Self::NoHealthyUpstream,
        Self::UpstreamFailure,
        Self::UpstreamOverflow,
        Self::UpstreamTermination,
        Self::NoRoute,
        Self::DownstreamTermination,
        Self::DownstreamProtocolError,
    ];

    /// The letters used in labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::NoHealthyUpstream => "UH",
            Self::UpstreamFailure => "UF",
            Self::UpstreamOverflow => "UO",
            Self::UpstreamTermination => "UC",
            Self::NoRoute => "NR",
            Self::DownstreamTermination => "DC",
            Self::DownstreamProtocolError => "DPE",
        }
    }
}

impl Labels for RequestLabels {
    fn overflow() -> Self {
        let (protocol, flags) = (RequestProtocol::Http, Flags::None);
        Self { path: overflowed_path(), protocol, code: 0, grpc_status: None, flags }
    }
}

impl Labels for MessageLabels {
    fn overflow() -> Self {
        Self { path: overflowed_path() }
    }
}

impl Labels for Arc<PathLabels> {
    fn overflow() -> Self {
        overflowed_path()
    }
}

fn unknown() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| UNKNOWN.into());
    Arc::clone(&TEXT)
}

fn overflowed_path() -> Arc<PathLabels> {
    let peer = Arc::new(Peer { workload: OVERFLOW.into(), ..Peer::unknown() });
    let (source, destination) = (Arc::clone(&peer), peer);
    let service = Arc::new(ServiceLabels { host: OVERFLOW.into(), ..ServiceLabels::unknown() });
    let (reporter, security) = (Reporter::Source, Security::None);
    Arc::new(PathLabels { reporter, source, destination, service, security })
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelSet::encode(&*self.path, encoder)?;
        put(encoder, "request_protocol", self.protocol.label())?;
        put(encoder, "response_code", &self.code.to_string())?;
        let grpc_status = self.grpc_status.map(|status| status.to_string());
        put(encoder, "grpc_response_status", grpc_status.as_deref().unwrap_or_default())?;
        put(encoder, "response_flags", self.flags.label())
    }
}

impl EncodeLabelSet for MessageLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelSet::encode(&*self.path, encoder)?;
        put(encoder, "request_protocol", RequestProtocol::Grpc.label())
    }
}

impl EncodeLabelSet for StreamLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelSet::encode(&*self.path, encoder)?;
        put(encoder, "request_protocol", "tcp")?;
        put(encoder, "response_flags", self.flags.label())
    }
}

impl EncodeLabelSet for PathLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        let Self { reporter, source, destination, service, security } = self;
        put(encoder, "reporter", reporter.label())?;
        put(encoder, "source_workload", &source.workload)?;
        put(encoder, "source_workload_namespace", &source.namespace)?;
        put(encoder, "source_principal", &source.principal)?;
        put(encoder, "source_app", &source.app)?;
        put(encoder, "source_version", &source.version)?;
        put(encoder, "source_canonical_service", &source.canonical_service)?;
        put(encoder, "source_canonical_revision", &source.canonical_revision)?;
        put(encoder, "source_cluster", CLUSTER)?;
        put(encoder, "destination_workload", &destination.workload)?;
        put(encoder, "destination_workload_namespace", &destination.namespace)?;
        put(encoder, "destination_principal", &destination.principal)?;
        put(encoder, "destination_app", &destination.app)?;
        put(encoder, "destination_version", &destination.version)?;
        put(encoder, "destination_canonical_service", &destination.canonical_service)?;
        put(encoder, "destination_canonical_revision", &destination.canonical_revision)?;
        put(encoder, "destination_revision", &destination.revision)?;
        put(encoder, "destination_cluster", CLUSTER)?;
        put(encoder, "destination_service", &service.host)?;
        put(encoder, "destination_service_name", &service.name)?;
        put(encoder, "destination_service_namespace", &service.namespace)?;
        put(encoder, "connection_security_policy", security.label())
    }
}

fn put(encoder: &mut LabelSetEncoder<'_>, name: &str, value: &str) -> Result<(), fmt::Error> {
    (name, value).encode(encoder.encode_label())
}

const UNKNOWN: &str = "unknown";
const OVERFLOW: &str = "overflow";
/// Istio's name for a cluster that was given none.
const CLUSTER: &str = "Kubernetes";
