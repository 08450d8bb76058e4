//! Services, their backends and splits.

use std::{sync::Arc, time::Duration};

use model::{
    revision::Revision,
    route::Route,
    service::{Backend, Backends, Protocol, Service, ServiceId, Share, Split},
    weight::Weight,
};

use super::{address::text, decision::decode_rollout, shared::Shared};
use crate::{
    invalid::{At, Invalid, Problem, each, required},
    limit, proto,
};

impl From<Protocol> for proto::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Detect => Self::Detect,
            Protocol::Http => Self::Http,
            Protocol::Http2 => Self::Http2,
            Protocol::Tcp => Self::Tcp,
        }
    }
}

/// A number that this version does not know is not a protocol that it may guess.
pub(super) fn decode_protocol(number: i32) -> Result<Protocol, Problem> {
    match proto::Protocol::try_from(number) {
        Ok(proto::Protocol::Detect) => Ok(Protocol::Detect),
        Ok(proto::Protocol::Http) => Ok(Protocol::Http),
        Ok(proto::Protocol::Http2) => Ok(Protocol::Http2),
        Ok(proto::Protocol::Tcp) => Ok(Protocol::Tcp),
        Err(prost::UnknownEnumValue(number)) => Err(Problem::UnknownNumber(number)),
    }
}

impl From<&Service> for proto::Service {
    fn from(service: &Service) -> Self {
        let Service { id, name, namespace, protocol, routes, backends } = service;
        Self {
            id: Some(id.into()),
            name: text(name),
            namespace: text(namespace),
            protocol: proto::Protocol::from(*protocol).into(),
            routes: routes.iter().map(Into::into).collect(),
            backends: backends.iter().map(encode_backend).collect(),
        }
    }
}

impl TryFrom<proto::Service> for Service {
    type Error = Invalid;

    fn try_from(service: proto::Service) -> Result<Self, Invalid> {
        let proto::Service { id, name, namespace, protocol, routes, backends } = service;
        let mut id = required(id).and_then(ServiceId::try_from).at("id")?;
        let mut name = limit::name(name).at("name")?;
        let mut namespace = limit::name(namespace).at("namespace")?;
        // A service is nearly always its own backend, and the others are of its namespace.
        let mut names = Shared::default();
        [&mut id.host, &mut name, &mut namespace].into_iter().for_each(|one| names.put(one));
        Ok(Self {
            id,
            name,
            namespace,
            protocol: decode_protocol(protocol).at("protocol")?,
            routes: each(routes, Route::try_from).at("routes")?,
            backends: decode_backends(backends, names).at("backends")?,
        })
    }
}

fn encode_backend((id, backend): (&ServiceId, &Backend)) -> proto::Backend {
    let Backend { name, namespace, split, connect_timeout } = backend;
    proto::Backend {
        id: Some(id.into()),
        name: text(name),
        namespace: text(namespace),
        split: split.as_ref().map(Into::into),
        connect_timeout_millis: encode_millis(*connect_timeout),
    }
}

fn decode_backends(
    backends: Vec<proto::Backend>,
    mut names: Shared<Arc<str>>,
) -> Result<Backends, Invalid> {
    // Collected, a single one would have the room of four.
    let mut decoded = Backends::with_capacity(backends.len());
    for (mut id, mut backend) in each(backends, decode_backend)? {
        let Backend { name, namespace, .. } = &mut backend;
        [&mut id.host, name, namespace].into_iter().for_each(|one| names.put(one));
        if decoded.insert(id, backend).is_some() {
            return Err(Problem::Duplicate.into());
        }
    }
    Ok(decoded)
}

fn decode_backend(backend: proto::Backend) -> Result<(ServiceId, Backend), Invalid> {
    let proto::Backend { id, name, namespace, split, connect_timeout_millis } = backend;
    let id = required(id).and_then(ServiceId::try_from).at("id")?;
    let backend = Backend {
        name: limit::name(name).at("name")?,
        namespace: limit::name(namespace).at("namespace")?,
        split: split.map(Split::try_from).transpose().at("split")?,
        connect_timeout: Duration::from_millis(connect_timeout_millis),
    };
    Ok((id, backend))
}

/// Whole milliseconds; what is shorter than one is one, because none would mean something else.
pub(super) fn encode_millis(span: Duration) -> u64 {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if span.is_zero() { 0 } else { millis.max(1) }
}

impl From<&Split> for proto::Split {
    fn from(Split { rollout, decision, canary, share }: &Split) -> Self {
        Self {
            rollout: rollout.to_string(),
            decision: *decision,
            canary: canary.to_string(),
            share: Some(match share {
                Share::Weighted(weight) => {
                    proto::split::Share::Weighted(weight.basis_points().into())
                }
                Share::Joined => proto::split::Share::Joined(proto::Unit {}),
            }),
        }
    }
}

impl TryFrom<proto::Split> for Split {
    type Error = Invalid;

    fn try_from(split: proto::Split) -> Result<Self, Invalid> {
        let proto::Split { rollout, decision, canary, share } = split;
        Ok(Self {
            rollout: decode_rollout(&rollout).at("rollout")?,
            decision,
            canary: Revision::new(canary).at("canary")?,
            share: match required(share).at("share")? {
                proto::split::Share::Weighted(points) => {
                    Share::Weighted(decode_weight(points).at("weighted")?)
                }
                proto::split::Share::Joined(proto::Unit {}) => Share::Joined,
            },
        })
    }
}

/// More than all traffic is refused, not rounded.
pub(super) fn decode_weight(points: u32) -> Result<Weight, Problem> {
    let points = u16::try_from(points).unwrap_or(u16::MAX);
    Ok(Weight::from_basis_points(points)?)
}
