//! What is kept of a service.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use k8s_openapi::{
    api::core::v1::{Service as KubeService, ServicePort as KubePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use model::service::Protocol;

use crate::compile::protocol;

/// A service with pods or addresses behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Its cluster addresses; none if it is headless.
    pub addresses: Vec<IpAddr>,
    /// Addresses of others that lead to it: of load balancers, or whatever else its user names.
    pub outside: Vec<IpAddr>,
    /// The family its callers use first.
    pub family: Family,
    /// Which pods are behind it; empty if somebody else says so.
    pub selector: BTreeMap<String, String>,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServicePort {
    /// Its name; empty if it is the only one.
    pub name: Arc<str>,
    /// The port.
    pub port: u16,
    /// The port of the pods.
    pub target: TargetPort,
    /// What it is said to speak.
    pub protocol: Protocol,
}

/// Where a service's port leads to in a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TargetPort {
    /// This port.
    Number(u16),
    /// The port of this name, which may be another one in each pod.
    Name(Arc<str>),
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Service {
    /// What is kept of `service`: nothing if it is another name for a host outside.
    #[must_use]
    pub fn keep(service: &KubeService) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        if spec.type_.as_deref() == Some("ExternalName") {
            return None;
        }
        let addresses = addresses(spec);
        let family = family(spec, &addresses);
        let selector = spec.selector.clone().unwrap_or_default();
        let ports = spec.ports.iter().flatten().filter_map(ServicePort::keep).collect();
        let outside = outside(service);
        Some(Self { addresses, outside, family, selector, ports })
    }

    /// The port with this number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }
}

impl ServicePort {
    fn keep(port: &KubePort) -> Option<Self> {
        if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
            return None;
        }
        let number = u16::try_from(port.port).ok()?;
        let target = match &port.target_port {
            Some(IntOrString::String(name)) => TargetPort::Name(name.as_str().into()),
            Some(IntOrString::Int(target)) => TargetPort::Number(u16::try_from(*target).ok()?),
            None => TargetPort::Number(number),
        };
        let name = port.name.as_deref().unwrap_or_default();
        let protocol = protocol::of_port(name, port.app_protocol.as_deref());
        Some(Self { name: name.into(), port: number, target, protocol })
    }
}

impl Family {
    /// The family of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

fn addresses(spec: &ServiceSpec) -> Vec<IpAddr> {
    let all = spec.cluster_ips.iter().flatten();
    // A headless service has the address "None", which is no address.
    let mut addresses: Vec<IpAddr> = all.filter_map(|text| text.parse().ok()).collect();
    if addresses.is_empty() {
        addresses.extend(spec.cluster_ip.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
    }
    addresses
}

fn outside(service: &KubeService) -> Vec<IpAddr> {
    let external = service.spec.iter().flat_map(|spec| spec.external_ips.iter().flatten());
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.into_iter().flat_map(|it| it.ingress.iter().flatten());
    let all = external.chain(ingress.filter_map(|it| it.ip.as_ref()));
    all.filter_map(|text| text.parse::<IpAddr>().ok()).map(|it| it.to_canonical()).collect()
}

fn family(spec: &ServiceSpec, addresses: &[IpAddr]) -> Family {
    let said = spec.ip_families.iter().flatten().next().map(String::as_str);
    match (said, addresses.first()) {
        (Some("IPv6"), _) => Family::V6,
        (Some(_), _) | (None, None) => Family::V4,
        (None, Some(address)) => Family::of(*address),
    }
}
