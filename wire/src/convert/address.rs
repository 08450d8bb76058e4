//! Addresses, ports and host names.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use model::{identity::SpiffeId, revision::Revision, service::ServiceId};

use crate::{
    invalid::{At, Invalid, Problem},
    limit, proto,
};

/// An address in network byte order.
pub(super) fn encode_ip(ip: IpAddr) -> Bytes {
    match ip {
        IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
    }
}

/// Every address has one form only, so that keys compare.
pub(super) fn decode_ip(bytes: &[u8]) -> Result<IpAddr, Problem> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = <[u8; 16]>::try_from(bytes).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    match v4.or(v6) {
        Ok(ip) if ip == ip.to_canonical() => Ok(ip),
        Ok(_) | Err(_) => Err(Problem::Address),
    }
}

/// A port that something can listen on.
pub(super) fn decode_port(port: u32) -> Result<u16, Problem> {
    match u16::try_from(port) {
        Ok(0) | Err(_) => Err(Problem::Port(port)),
        Ok(port) => Ok(port),
    }
}

impl From<SocketAddr> for proto::SocketAddress {
    fn from(address: SocketAddr) -> Self {
        Self { ip: encode_ip(address.ip().to_canonical()), port: address.port().into() }
    }
}

impl TryFrom<proto::SocketAddress> for SocketAddr {
    type Error = Invalid;

    fn try_from(proto::SocketAddress { ip, port }: proto::SocketAddress) -> Result<Self, Invalid> {
        Ok(Self::new(decode_ip(&ip).at("ip")?, decode_port(port).at("port")?))
    }
}

impl From<&ServiceId> for proto::ServiceId {
    fn from(ServiceId { host, port }: &ServiceId) -> Self {
        Self { host: host.as_ref().to_owned(), port: (*port).into() }
    }
}

impl TryFrom<proto::ServiceId> for ServiceId {
    type Error = Invalid;

    fn try_from(proto::ServiceId { host, port }: proto::ServiceId) -> Result<Self, Invalid> {
        let port = decode_port(port).at("port")?;
        let id = Self::new(&host, port);
        let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b':' | b'@');
        if *id.host == *host
            && !host.is_empty()
            && host.len() <= limit::NAME
            && host.bytes().all(allowed)
        {
            return Ok(id);
        }
        Err(Problem::Host(limit::cut(&host, limit::NAME).to_owned())).at("host")
    }
}

/// Nothing is the empty text.
pub(super) fn encode_identity(identity: Option<&SpiffeId>) -> String {
    identity.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn decode_identity(text: &str) -> Result<Option<SpiffeId>, Problem> {
    if text.is_empty() { Ok(None) } else { Ok(Some(text.parse()?)) }
}

/// Nothing is the empty text.
pub(super) fn encode_revision(revision: Option<&Revision>) -> String {
    revision.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn decode_revision(text: String) -> Result<Option<Revision>, Problem> {
    if text.is_empty() { Ok(None) } else { Ok(Some(Revision::new(text)?)) }
}

/// A text of the model in protobuf's form.
pub(super) fn text(text: &Arc<str>) -> String {
    text.as_ref().to_owned()
}
