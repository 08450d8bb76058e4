//! What a proxy may ask for. It subscribes to keys on demand, so its memory follows what its pod
//! talks to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::service::ServiceId;

/// The name of a resource.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Key {
    /// What is at this address: a service, or a pod reached directly.
    Address(SocketAddr),
    /// Which service this host name and port mean to the asker.
    Host(ServiceId),
    /// A service, as seen from the asker's namespace.
    Service(ServiceId),
    /// Where a service can be reached.
    Endpoints(ServiceId),
    /// The pod at this address, for labels and identities.
    Workload(IpAddr),
    /// The asker's own policy.
    Inbound,
    /// The roots.
    Trust,
    /// Mesh-wide defaults.
    Mesh,
}

/// A resource's version: a hash of its content. It tells two apart and has no order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Version(pub u64);

impl Key {
    /// The key with addresses in one form: an IPv4-mapped IPv6 address is the IPv4 address.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Address(address) => {
                Self::Address(SocketAddr::new(address.ip().to_canonical(), address.port()))
            }
            Self::Workload(address) => Self::Workload(address.to_canonical()),
            Self::Host(_)
            | Self::Service(_)
            | Self::Endpoints(_)
            | Self::Inbound
            | Self::Trust
            | Self::Mesh => self,
        }
    }

    /// The kind of key: a closed set, fit for metric labels.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Host(_) => "host",
            Self::Service(_) => "service",
            Self::Endpoints(_) => "endpoints",
            Self::Workload(_) => "workload",
            Self::Inbound => "inbound",
            Self::Trust => "trust",
            Self::Mesh => "mesh",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address/{address}"),
            Self::Host(id) => write!(f, "host/{id}"),
            Self::Service(id) => write!(f, "service/{id}"),
            Self::Endpoints(id) => write!(f, "endpoints/{id}"),
            Self::Workload(address) => write!(f, "workload/{address}"),
            Self::Inbound => f.write_str("inbound"),
            Self::Trust => f.write_str("trust"),
            Self::Mesh => f.write_str("mesh"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
