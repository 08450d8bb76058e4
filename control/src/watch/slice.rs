//! What is kept of an endpoint slice.

use std::{net::IpAddr, sync::Arc};

use cluster::watch::ObjectName;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};

use super::service::Family;

/// Some of a service's endpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slice {
    /// The service.
    pub service: ObjectName,
    /// The family of the addresses.
    pub family: Family,
    /// The TCP ports that all endpoints have.
    pub ports: Vec<SlicePort>,
    /// The endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of all endpoints of a slice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlicePort {
    /// The name of the service's port.
    pub name: Arc<str>,
    /// The port of the endpoints.
    pub port: u16,
}

/// An endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SliceEndpoint {
    /// Its address.
    pub address: IpAddr,
    /// The pod it belongs to, if it is a pod's.
    pub pod: Option<TargetPod>,
    /// Its topology zone; empty if unknown.
    pub zone: Arc<str>,
    /// Whether it is ready and not on its way out.
    pub ready: bool,
    /// Whether it is on its way out and would still answer.
    pub serves_while_ending: bool,
}

/// The pod behind an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetPod {
    /// Its name, in the slice's namespace.
    pub name: ObjectName,
    /// Its uid; empty if it is not given.
    pub uid: Arc<str>,
}

impl Slice {
    /// What is kept of `slice`: nothing if it belongs to no service or holds host names.
    #[must_use]
    pub fn keep(slice: &EndpointSlice) -> Option<Self> {
        let family = match slice.address_type.as_str() {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            _ => return None,
        };
        let namespace = slice.metadata.namespace.as_deref()?;
        let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
        let ports = slice.ports.iter().flatten().filter_map(SlicePort::keep).collect();
        let endpoints = slice
            .endpoints
            .iter()
            .filter_map(|endpoint| SliceEndpoint::keep(endpoint, namespace))
            .collect();
        Some(Self { service: ObjectName::new(namespace, service), family, ports, endpoints })
    }

    /// Addresses of which it does not say whose they are.
    pub fn nameless(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoints.iter().filter(|it| it.pod.is_none()).map(|it| it.address)
    }
}

impl SlicePort {
    fn keep(port: &EndpointPort) -> Option<Self> {
        if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
            return None;
        }
        let name = port.name.as_deref().unwrap_or_default().into();
        Some(Self { name, port: u16::try_from(port.port?).ok()? })
    }
}

impl SliceEndpoint {
    fn keep(endpoint: &Endpoint, namespace: &str) -> Option<Self> {
        let none = EndpointConditions::default();
        let conditions = endpoint.conditions.as_ref().unwrap_or(&none);
        // Absent means ready, and absent means not terminating (discovery.k8s.io/v1,
        // EndpointConditions).
        let ready = conditions.ready.unwrap_or(true);
        let terminating = conditions.terminating.unwrap_or(false);
        let serving = conditions.serving.unwrap_or(ready);
        let target = endpoint.target_ref.as_ref();
        let pod =
            target.filter(|target| target.kind.as_deref() == Some("Pod")).and_then(|target| {
                let name = ObjectName::new(namespace, target.name.as_deref()?);
                Some(TargetPod { name, uid: target.uid.as_deref().unwrap_or_default().into() })
            });
        Some(Self {
            // All addresses of an endpoint are interchangeable, and the first is the one to use.
            address: endpoint.addresses.first()?.parse::<IpAddr>().ok()?.to_canonical(),
            pod,
            zone: endpoint.zone.as_deref().unwrap_or_default().into(),
            ready: ready && !terminating,
            serves_while_ending: serving && terminating,
        })
    }
}

const SERVICE_NAME: &str = "kubernetes.io/service-name";
