//! Keys.

use model::key::Key;
use proto::key::Key as Kind;

use super::address::{decode_ip, encode_ip};
use crate::{
    invalid::{At, Invalid, required},
    proto,
};

impl From<&Key> for proto::Key {
    fn from(key: &Key) -> Self {
        let kind = match key {
            Key::Address(address) => Kind::Address((*address).into()),
            Key::Host(id) => Kind::Host(id.into()),
            Key::Service(id) => Kind::Service(id.into()),
            Key::Endpoints(id) => Kind::Endpoints(id.into()),
            Key::Workload(ip) => Kind::Workload(encode_ip(ip.to_canonical())),
            Key::Inbound => Kind::Inbound(proto::Unit {}),
            Key::Trust => Kind::Trust(proto::Unit {}),
            Key::Mesh => Kind::Mesh(proto::Unit {}),
        };
        Self { key: Some(kind) }
    }
}

impl TryFrom<proto::Key> for Key {
    type Error = Invalid;

    fn try_from(key: proto::Key) -> Result<Self, Invalid> {
        Ok(match required(key.key)? {
            Kind::Address(address) => Self::Address(address.try_into().at("address")?),
            Kind::Host(id) => Self::Host(id.try_into().at("host")?),
            Kind::Service(id) => Self::Service(id.try_into().at("service")?),
            Kind::Endpoints(id) => Self::Endpoints(id.try_into().at("endpoints")?),
            Kind::Workload(ip) => Self::Workload(decode_ip(&ip).at("workload")?),
            Kind::Inbound(proto::Unit {}) => Self::Inbound,
            Kind::Trust(proto::Unit {}) => Self::Trust,
            Kind::Mesh(proto::Unit {}) => Self::Mesh,
        })
    }
}

/// The key that a message must have.
pub(super) fn decode(key: Option<proto::Key>) -> Result<Key, Invalid> {
    required(key).and_then(Key::try_from).at("key")
}
