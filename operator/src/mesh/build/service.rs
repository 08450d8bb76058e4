//! Services: where proxies find the control plane and the API server finds the webhook.

use api::names;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::label::{local, selected};
use crate::mesh::valid::Valid;

pub(super) fn control(valid: &Valid) -> Service {
    let discovery = port("grpc-discovery", i32::from(names::CONTROL_PORT), "discovery");
    service(valid, names::CONTROL, vec![discovery])
}

pub(super) fn webhook(valid: &Valid) -> Service {
    service(valid, names::WEBHOOK, vec![port("https", 443, "https")])
}

fn service(valid: &Valid, name: &str, ports: Vec<ServicePort>) -> Service {
    let (selector, ports) = (Some(selected(name)), Some(ports));
    let spec = ServiceSpec { selector, ports, ..ServiceSpec::default() };
    Service { metadata: local(valid, name), spec: Some(spec), ..Service::default() }
}

fn port(name: &str, port: i32, target: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(target.to_owned())),
        ..ServicePort::default()
    }
}
