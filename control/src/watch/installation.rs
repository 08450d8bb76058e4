//! What is kept of a MeshInstallation.

use api::mesh::{self, LogEncoding, LogFilter, MeshInstallation, OtlpProtocol};
use ipnet::IpNet;
use kube::core::DeserializeGuard;
use model::{
    identity::TrustDomain,
    inbound::MtlsMode,
    mesh::{AccessLog, Encoding, Otlp, OutboundPolicy, Tracing},
    weight::Weight,
};

/// What the mesh is declared to be, as far as proxies are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Installation {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// What pods do with peers that are not of the mesh.
    pub mtls: MtlsMode,
    /// What happens to traffic that leaves the mesh.
    pub outbound: OutboundPolicy,
    /// The ranges of pods and services; found from the cluster if empty.
    pub cidrs: Vec<IpNet>,
    /// How requests are logged.
    pub access_log: Option<AccessLog>,
    /// Where spans of requests go.
    pub tracing: Option<Tracing>,
}

impl Installation {
    /// What is kept of `object`: nothing if it cannot be read, so that what was declared before
    /// stays in force.
    #[must_use]
    pub fn keep(object: &DeserializeGuard<MeshInstallation>) -> Option<Self> {
        let spec = &object.0.as_ref().ok()?.spec;
        Some(Self {
            trust_domain: spec.trust_domain.0.parse().ok()?,
            mtls: match spec.mtls.mode {
                mesh::MtlsMode::Permissive => MtlsMode::Permissive,
                mesh::MtlsMode::Strict => MtlsMode::Strict,
            },
            outbound: match spec.outbound.policy {
                mesh::OutboundPolicy::AllowAny => OutboundPolicy::AllowAny,
                mesh::OutboundPolicy::RegistryOnly => OutboundPolicy::RegistryOnly,
            },
            cidrs: spec.network.cidrs.iter().filter_map(|text| text.parse().ok()).collect(),
            access_log: access_log(&spec.telemetry.access_log),
            // What cannot be done is told by the operator, and harms nothing else.
            tracing: spec.telemetry.tracing.as_ref().and_then(tracing),
        })
    }
}

fn access_log(said: &mesh::AccessLog) -> Option<AccessLog> {
    said.enabled.then(|| AccessLog {
        encoding: match said.encoding {
            LogEncoding::Json => Encoding::Json,
            LogEncoding::Text => Encoding::Text,
        },
        // What is no ratio is told by the operator.
        sampling: Weight::from_ratio(said.ratio).unwrap_or(Weight::ALL),
        only_errors: said.filter == LogFilter::Errors,
    })
}

fn tracing(said: &mesh::Tracing) -> Option<Tracing> {
    let protocol = match said.protocol {
        OtlpProtocol::Grpc => Otlp::Grpc,
        OtlpProtocol::Http => Otlp::Http,
    };
    let sampling = Weight::from_ratio(said.sampling_ratio).ok()?;
    Tracing::new(&said.endpoint, protocol, sampling).ok()
}
