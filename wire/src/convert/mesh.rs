//! Mesh-wide defaults.

use ipnet::IpNet;
use model::{
    identity::TrustDomain,
    mesh::{Mesh, OutboundPolicy},
};

use crate::{
    invalid::{At, Invalid, Problem, each},
    limit, proto,
};

impl From<&Mesh> for proto::Mesh {
    fn from(Mesh { trust_domain, cidrs, outbound, access_log }: &Mesh) -> Self {
        Self {
            trust_domain: trust_domain.to_string(),
            cidrs: cidrs.iter().map(ToString::to_string).collect(),
            registry_only: match outbound {
                OutboundPolicy::AllowAny => false,
                OutboundPolicy::RegistryOnly => true,
            },
            access_log: *access_log,
        }
    }
}

impl TryFrom<proto::Mesh> for Mesh {
    type Error = Invalid;

    fn try_from(mesh: proto::Mesh) -> Result<Self, Invalid> {
        let proto::Mesh { trust_domain, cidrs, registry_only, access_log } = mesh;
        let trust_domain =
            trust_domain.parse::<TrustDomain>().map_err(Problem::from).at("trust_domain")?;
        let outbound =
            if registry_only { OutboundPolicy::RegistryOnly } else { OutboundPolicy::AllowAny };
        Ok(Self {
            trust_domain,
            cidrs: each(cidrs, decode_cidr).at("cidrs")?,
            outbound,
            access_log,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an item of a list that is taken apart")]
fn decode_cidr(text: String) -> Result<IpNet, Problem> {
    let problem = |_error| Problem::Network(limit::cut(&text, limit::NAME).to_owned());
    text.parse().map_err(problem)
}
