//! What the operator is told when it starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use api::names;
use runtime::settings::{Env, Errors};

use crate::mesh::valid::Operator;

/// The operator's settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The pod's name: who holds the lease.
    pub(crate) pod: String,
    /// What this operator is.
    pub(crate) operator: Operator,
    /// Where `/ready`, `/live` and `/metrics` are served.
    pub(crate) admin: SocketAddr,
    /// What is logged.
    pub(crate) log: String,
}

impl Settings {
    /// Reads the settings from `env`.
    pub(crate) fn read(env: &Env) -> Result<Self, Errors> {
        let mut read = env.reader();
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), names::CONTROL_ADMIN_PORT);
        let pod = read.required("POD_NAME");
        let namespace = read.or("POD_NAMESPACE", names::SYSTEM_NAMESPACE.to_owned());
        let images: String = read.or("SERIN_IMAGES", names::IMAGES.to_owned());
        let admin = read.or("SERIN_OPERATOR_ADMIN", any);
        let log = read.or("SERIN_LOG", "info".to_owned());
        let images = images.trim_end_matches('/').to_owned();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let operator = Operator { namespace, images, version };
        read.finish(|| Some(Self { pod: pod?, operator, admin, log }))
    }
}
