//! A workload's own policy.

use std::collections::BTreeMap;

use model::{
    identity::SpiffeId,
    inbound::{Inbound, InboundPort, InboundService, MtlsMode},
    service::ServiceId,
};

use super::{
    address::{decode_port, text},
    service::decode_protocol,
};
use crate::{
    invalid::{At, Invalid, Problem, each, required},
    limit, proto,
};

impl From<&Inbound> for proto::Inbound {
    fn from(Inbound { identity, mtls, ports }: &Inbound) -> Self {
        Self {
            identity: identity.to_string(),
            strict: match mtls {
                MtlsMode::Permissive => false,
                MtlsMode::Strict => true,
            },
            ports: ports.iter().map(encode_port).collect(),
        }
    }
}

impl TryFrom<proto::Inbound> for Inbound {
    type Error = Invalid;

    fn try_from(inbound: proto::Inbound) -> Result<Self, Invalid> {
        let proto::Inbound { identity, strict, ports } = inbound;
        let identity = identity.parse::<SpiffeId>().map_err(Problem::from).at("identity")?;
        let mtls = if strict { MtlsMode::Strict } else { MtlsMode::Permissive };
        let mut decoded = BTreeMap::new();
        for (number, port) in each(ports, decode_inbound_port).at("ports")? {
            if decoded.insert(number, port).is_some() {
                return Err(Problem::Duplicate).at("ports");
            }
        }
        Ok(Self { identity, mtls, ports: decoded })
    }
}

fn encode_port((number, port): (&u16, &InboundPort)) -> proto::InboundPort {
    let InboundPort { protocol, service } = port;
    proto::InboundPort {
        port: (*number).into(),
        protocol: proto::Protocol::from(*protocol).into(),
        service: service.as_ref().map(|InboundService { id, name, namespace }| {
            proto::InboundService {
                id: Some(id.into()),
                name: text(name),
                namespace: text(namespace),
            }
        }),
    }
}

fn decode_inbound_port(port: proto::InboundPort) -> Result<(u16, InboundPort), Invalid> {
    let proto::InboundPort { port, protocol, service } = port;
    let number = decode_port(port).at("port")?;
    let protocol = decode_protocol(protocol).at("protocol")?;
    let service = service.map(decode_service).transpose().at("service")?;
    Ok((number, InboundPort { protocol, service }))
}

fn decode_service(service: proto::InboundService) -> Result<InboundService, Invalid> {
    let proto::InboundService { id, name, namespace } = service;
    Ok(InboundService {
        id: required(id).and_then(ServiceId::try_from).at("id")?,
        name: limit::name(name).at("name")?,
        namespace: limit::name(namespace).at("namespace")?,
    })
}
