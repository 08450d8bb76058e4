//! Mesh-wide defaults.

use ipnet::IpNet;
use model::{
    identity::TrustDomain,
    mesh::{AccessLog, Encoding, Mesh, Otlp, OutboundPolicy, Tracing},
};

use super::service::decode_weight;
use crate::{
    invalid::{At, Invalid, Problem, each},
    limit, proto,
};

impl From<&Mesh> for proto::Mesh {
    fn from(Mesh { trust_domain, cidrs, outbound, access_log, tracing }: &Mesh) -> Self {
        Self {
            trust_domain: trust_domain.to_string(),
            cidrs: cidrs.iter().map(ToString::to_string).collect(),
            registry_only: match outbound {
                OutboundPolicy::AllowAny => false,
                OutboundPolicy::RegistryOnly => true,
            },
            access_log: access_log.is_some(),
            log: access_log.as_ref().map(encode_log),
            tracing: tracing.as_ref().map(encode_tracing),
        }
    }
}

impl TryFrom<proto::Mesh> for Mesh {
    type Error = Invalid;

    fn try_from(mesh: proto::Mesh) -> Result<Self, Invalid> {
        let proto::Mesh { trust_domain, cidrs, registry_only, access_log, log, tracing } = mesh;
        let trust_domain =
            trust_domain.parse::<TrustDomain>().map_err(Problem::from).at("trust_domain")?;
        let outbound =
            if registry_only { OutboundPolicy::RegistryOnly } else { OutboundPolicy::AllowAny };
        Ok(Self {
            trust_domain,
            cidrs: each(cidrs, decode_cidr).at("cidrs")?,
            outbound,
            access_log: access_log
                .then(|| decode_log(log.unwrap_or_default()))
                .transpose()
                .at("log")?,
            tracing: tracing.as_ref().map(decode_tracing).transpose().at("tracing")?,
        })
    }
}

fn encode_log(log: &AccessLog) -> proto::AccessLog {
    let AccessLog { encoding, sampling, only_errors } = log;
    proto::AccessLog {
        text: match encoding {
            Encoding::Json => false,
            Encoding::Text => true,
        },
        left_out: sampling.rest().basis_points().into(),
        only_errors: *only_errors,
    }
}

fn decode_log(log: proto::AccessLog) -> Result<AccessLog, Invalid> {
    let proto::AccessLog { text, left_out, only_errors } = log;
    let encoding = if text { Encoding::Text } else { Encoding::Json };
    let sampling = decode_weight(left_out).at("left_out")?.rest();
    Ok(AccessLog { encoding, sampling, only_errors })
}

fn encode_tracing(tracing: &Tracing) -> proto::Tracing {
    let protocol = match tracing.protocol() {
        Otlp::Grpc => proto::tracing::Protocol::Grpc,
        Otlp::Http => proto::tracing::Protocol::Http,
    };
    proto::Tracing {
        endpoint: tracing.endpoint().to_owned(),
        protocol: protocol.into(),
        sampling: tracing.sampling.basis_points().into(),
    }
}

fn decode_tracing(tracing: &proto::Tracing) -> Result<Tracing, Invalid> {
    let proto::Tracing { endpoint, protocol, sampling } = tracing;
    let protocol = match proto::tracing::Protocol::try_from(*protocol) {
        Ok(proto::tracing::Protocol::Grpc) => Otlp::Grpc,
        Ok(proto::tracing::Protocol::Http) => Otlp::Http,
        Err(_unknown) => return Err(Problem::UnknownNumber(*protocol)).at("protocol"),
    };
    let sampling = decode_weight(*sampling).at("sampling")?;
    let endpoint = limit::cut(endpoint, limit::MATCH);
    Tracing::new(endpoint, protocol, sampling).map_err(Problem::from).at("endpoint")
}

#[expect(clippy::needless_pass_by_value, reason = "an item of a list that is taken apart")]
fn decode_cidr(text: String) -> Result<IpNet, Problem> {
    let problem = |_error| Problem::Network(limit::cut(&text, limit::NAME).to_owned());
    text.parse().map_err(problem)
}
