//! The many services of a mesh, of which a pod calls some: each at an address of loopback of its
//! own, with ten endpoints that no other has. They are encoded and decoded whenever somebody asks
//! for one, as what comes by the wire is.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use model::{
    endpoint::{Endpoint, Endpoints},
    key::Key,
    resource::{Destination, Resource},
    service::{Backend, Protocol, Service, ServiceId},
    workload::Workload,
};
use wire::Encoded;

/// What a control plane knows.
#[derive(Clone, Copy, Debug)]
pub struct Services {
    /// How many services there are.
    pub count: usize,
    /// The port of all endpoints.
    pub upstream: u16,
}

/// Where the service of this number is called.
#[must_use]
pub fn address(number: usize, port: u16) -> SocketAddr {
    (Ipv4Addr::from(SERVICES + low(number)), port).into()
}

/// A port that nobody has on loopback.
///
/// # Errors
/// If there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Services {
    /// What there is under `key`, with what belongs to it, as it comes by the wire.
    #[must_use]
    pub fn under(&self, key: &Key) -> Vec<(Key, Resource)> {
        let all = self.known(key).into_iter();
        all.map(|(key, resource)| (key, sent(&resource))).collect()
    }

    fn known(&self, key: &Key) -> Vec<(Key, Resource)> {
        match key {
            Key::Address(at) => self.destination(*at).into_iter().collect(),
            Key::Service(id) => self.service(id),
            Key::Workload(IpAddr::V4(at)) => workload(*at).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn destination(&self, at: SocketAddr) -> Option<(Key, Resource)> {
        let IpAddr::V4(ip) = at.ip() else { return None };
        let number = usize::try_from(u32::from(ip).checked_sub(SERVICES)?).ok()?;
        let there = Resource::Destination(Destination::Service(id(number)));
        (number < self.count).then_some((Key::Address(at), there))
    }

    fn service(&self, id: &ServiceId) -> Vec<(Key, Resource)> {
        let name = id.host.split('.').next().unwrap_or_default();
        let Some(number) = name.strip_prefix(NAME).and_then(|number| number.parse().ok()) else {
            return Vec::new();
        };
        let plain = lab::plain_service(Protocol::Detect, None);
        let backends = plain.backends.into_iter().map(|(_, backend)| backend);
        let backends =
            backends.map(|backend| (id.clone(), Backend { name: name.into(), ..backend }));
        let (backends, name) = (backends.collect(), name.into());
        let routes = Vec::new();
        let Service { namespace, protocol, .. } = lab::plain_service(Protocol::Detect, None);
        let service = Service { id: id.clone(), name, namespace, protocol, routes, backends };
        let endpoints = self.endpoints(number).map(Endpoint::plain).collect();
        let endpoints = Endpoints { id: id.clone(), endpoints };
        vec![
            (Key::Endpoints(id.clone()), Resource::Endpoints(Arc::new(endpoints))),
            (Key::Service(id.clone()), Resource::Service(Arc::new(service))),
        ]
    }

    fn endpoints(&self, number: usize) -> impl Iterator<Item = SocketAddr> {
        let (first, port) = (PODS + low(number * ENDPOINTS), self.upstream);
        (first..).take(ENDPOINTS).map(move |at| (Ipv4Addr::from(at), port).into())
    }
}

/// What a proxy makes of what control sends.
#[expect(clippy::expect_used, reason = "a figure of less than all would be wrong")]
fn sent(resource: &Resource) -> Resource {
    let sent = Encoded::new(resource).and_then(|sent| sent.decode());
    sent.expect("what the lab makes can be sent")
}

fn id(number: usize) -> ServiceId {
    ServiceId::new(&format!("{NAME}{number}.shop.svc.cluster.local"), 80)
}

fn workload(at: Ipv4Addr) -> Option<(Key, Resource)> {
    let number = u32::from(at).checked_sub(PODS)?;
    let named = lab::workload("backend");
    let pod = format!("backend-{number}").into();
    let workload = Workload { address: at.into(), pod, identity: None, ..named };
    Some((Key::Workload(at.into()), Resource::Workload(Arc::new(workload))))
}

/// The last of its bits that say which address of many it is.
fn low(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX) & 0xf_ffff
}

const ENDPOINTS: usize = 10;
const NAME: &str = "service-";
/// 127.16.0.0.
const SERVICES: u32 = 0x7f10_0000;
/// 127.32.0.0.
const PODS: u32 = 0x7f20_0000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: Services = Services { count: 5_000, upstream: 80 };

    #[test]
    fn no_two_services_share_an_endpoint_and_all_are_on_loopback() {
        let all: BTreeSet<_> = (0..ALL.count).flat_map(|number| ALL.endpoints(number)).collect();
        assert_eq!(all.len(), ALL.count * ENDPOINTS);
        assert!(all.iter().all(|at| at.ip().is_loopback() && address(7, 1).ip().is_loopback()));
    }

    #[test]
    fn a_service_is_known_by_its_address_and_none_beyond_the_last_is() {
        let known = ALL.under(&Key::Address(address(4_999, 80)));
        let there = Resource::Destination(Destination::Service(id(4_999)));
        assert_eq!(known, [(Key::Address(address(4_999, 80)), there)]);
        assert_eq!(ALL.under(&Key::Address(address(5_000, 80))), []);
        let keys = ALL.under(&Key::Service(id(3))).into_iter().map(|(key, _)| key);
        assert!(keys.eq([Key::Endpoints(id(3)), Key::Service(id(3))]));
    }
}
