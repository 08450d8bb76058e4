//! Resources: the one place where their kinds are told apart.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    endpoint::Endpoints,
    inbound::Inbound,
    mesh::Mesh,
    resource::{Destination, Resource},
    service::{Service, ServiceId},
    trust::Trust,
    workload::Workload,
};
use prost::Message;
use proto::{destination::Destination as Target, resource::Resource as Kind};

use crate::{
    capability,
    invalid::{At, Invalid, Problem, required},
    limit, proto,
};

impl From<&Resource> for proto::Resource {
    fn from(resource: &Resource) -> Self {
        let kind = match resource {
            Resource::Destination(destination) => Kind::Destination(destination.into()),
            Resource::Service(service) => Kind::Service((&**service).into()),
            Resource::Endpoints(endpoints) => Kind::Endpoints((&**endpoints).into()),
            Resource::Workload(workload) => Kind::Workload(Box::new((&**workload).into())),
            Resource::Inbound(inbound) => Kind::Inbound((&**inbound).into()),
            Resource::Trust(trust) => Kind::Trust((&**trust).into()),
            Resource::Mesh(mesh) => Kind::Mesh((&**mesh).into()),
        };
        let required = capability::required_by(resource);
        let required_capabilities = required.into_iter().map(str::to_owned).collect();
        Self { resource: Some(kind), required_capabilities }
    }
}

/// The resource in a push's body.
pub(crate) fn decode(body: &Bytes) -> Result<Resource, Invalid> {
    let body = body.clone();
    proto::Resource::decode(body).map_err(|error| Problem::Malformed(error.to_string()))?.try_into()
}

impl TryFrom<proto::Resource> for Resource {
    type Error = Invalid;

    fn try_from(resource: proto::Resource) -> Result<Self, Invalid> {
        let proto::Resource { resource, required_capabilities } = resource;
        let unknown = |name: &String| !capability::SUPPORTED.contains(&name.as_str());
        if let Some(name) = required_capabilities.into_iter().find(unknown) {
            let name = limit::cut(&name, limit::NAME).to_owned();
            return Err(Problem::Capability(name)).at("required_capabilities");
        }
        let kind = required(resource)?;
        Ok(match kind {
            Kind::Destination(target) => Self::Destination(target.try_into().at("destination")?),
            Kind::Service(it) => Self::Service(shared(Service::try_from(it)).at("service")?),
            Kind::Endpoints(it) => {
                Self::Endpoints(shared(Endpoints::try_from(it)).at("endpoints")?)
            }
            Kind::Workload(it) => Self::Workload(shared(Workload::try_from(*it)).at("workload")?),
            Kind::Inbound(it) => Self::Inbound(shared(Inbound::try_from(it)).at("inbound")?),
            Kind::Trust(trust) => Self::Trust(Arc::new(Trust::from(trust))),
            Kind::Mesh(it) => Self::Mesh(shared(Mesh::try_from(it)).at("mesh")?),
        })
    }
}

fn shared<T>(decoded: Result<T, Invalid>) -> Result<Arc<T>, Invalid> {
    decoded.map(Arc::new)
}

impl From<&Destination> for proto::Destination {
    fn from(destination: &Destination) -> Self {
        let target = match destination {
            Destination::Service(id) => Target::Service(id.into()),
            Destination::Workload => Target::Workload(proto::Unit {}),
        };
        Self { destination: Some(target) }
    }
}

impl TryFrom<proto::Destination> for Destination {
    type Error = Invalid;

    fn try_from(destination: proto::Destination) -> Result<Self, Invalid> {
        Ok(match required(destination.destination)? {
            Target::Service(id) => Self::Service(ServiceId::try_from(id).at("service")?),
            Target::Workload(proto::Unit {}) => Self::Workload,
        })
    }
}
