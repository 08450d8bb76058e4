//! Endpoints of a service.

use std::net::SocketAddr;

use model::{
    endpoint::{Endpoint, Endpoints, Readiness},
    service::ServiceId,
};

use super::{
    address::{decode_identity, decode_revision, encode_identity, encode_revision, text},
    shared::Shared,
};
use crate::{
    invalid::{At, Invalid, each, required},
    limit, proto,
};

impl From<&Endpoints> for proto::Endpoints {
    fn from(Endpoints { id, endpoints }: &Endpoints) -> Self {
        Self { id: Some(id.into()), endpoints: endpoints.iter().map(Into::into).collect() }
    }
}

impl TryFrom<proto::Endpoints> for Endpoints {
    type Error = Invalid;

    fn try_from(proto::Endpoints { id, endpoints }: proto::Endpoints) -> Result<Self, Invalid> {
        let id = required(id).and_then(ServiceId::try_from).at("id")?;
        let mut endpoints = each(endpoints, Endpoint::try_from).at("endpoints")?;
        share(&mut endpoints);
        Ok(Self { id, endpoints })
    }
}

/// Endpoints of a service mostly have the same identity and revision, and some are of one zone.
fn share(endpoints: &mut [Endpoint]) {
    let (mut identities, mut revisions, mut zones) =
        (Shared::default(), Shared::default(), Shared::default());
    for endpoint in endpoints {
        endpoint.identity.iter_mut().for_each(|identity| identities.put(identity));
        endpoint.revision.iter_mut().for_each(|revision| revisions.put(revision));
        zones.put(&mut endpoint.zone);
    }
}

impl From<&Endpoint> for proto::Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        let Endpoint { address, identity, revision, readiness, zone, keeps_case } = endpoint;
        Self {
            address: Some((*address).into()),
            identity: encode_identity(identity.as_ref()),
            revision: encode_revision(revision.as_ref()),
            gated: match readiness {
                Readiness::Ready => false,
                Readiness::Gated => true,
            },
            zone: text(zone),
            keeps_case: *keeps_case,
        }
    }
}

impl TryFrom<proto::Endpoint> for Endpoint {
    type Error = Invalid;

    fn try_from(endpoint: proto::Endpoint) -> Result<Self, Invalid> {
        let proto::Endpoint { address, identity, revision, gated, zone, keeps_case } = endpoint;
        Ok(Self {
            address: required(address).and_then(SocketAddr::try_from).at("address")?,
            identity: decode_identity(&identity).at("identity")?,
            revision: decode_revision(revision).at("revision")?,
            readiness: if gated { Readiness::Gated } else { Readiness::Ready },
            zone: limit::name(zone).at("zone")?,
            keeps_case,
        })
    }
}
