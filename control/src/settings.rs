//! What a replica is told by its environment.

use std::{net::SocketAddr, time::Duration};

use cluster::lease::Lease;
use model::identity::{SpiffeId, TrustDomain};
use runtime::settings::{Env, Errors};

/// A replica's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace that the mesh is installed in.
    pub namespace: String,
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// The replica's own identity.
    pub identity: SpiffeId,
    /// The identity of the operator, which alone may watch proxies and decide.
    pub operator: SpiffeId,
    /// The domain of the cluster's DNS names.
    pub cluster_domain: String,
    /// Where proxies and the operator connect.
    pub listen: SocketAddr,
    /// Where `/ready`, `/live` and `/metrics` are.
    pub admin: SocketAddr,
    /// How long a workload's certificate lives.
    pub leaf_lifetime: Duration,
    /// How long the replica may take to stop.
    pub drain: Duration,
    /// The lease of the one replica that writes statuses.
    pub lease: Lease,
    /// What is logged.
    pub log: String,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(env: &Env) -> Result<Self, Errors> {
        let mut reader = env.reader();
        let namespace: String = reader.or("POD_NAMESPACE", "serin-system".to_owned());
        let domain = reader.or("SERIN_TRUST_DOMAIN", "cluster.local".to_owned());
        let domain = domain.parse::<TrustDomain>();
        if let Err(error) = &domain {
            reader.refuse("SERIN_TRUST_DOMAIN", error);
        }
        let domain = domain.ok();
        let mut identity = |account: &str| {
            let identity = SpiffeId::new(domain.clone()?, &namespace, account);
            identity.map_err(|error| reader.refuse("POD_NAMESPACE", error)).ok()
        };
        let (own, operator) = (identity(ACCOUNT), identity(OPERATOR_ACCOUNT));
        let cluster_domain = reader.or("SERIN_CLUSTER_DOMAIN", "cluster.local".to_owned());
        let listen = reader.or("SERIN_CONTROL_LISTEN", LISTEN);
        let admin = reader.or("SERIN_CONTROL_ADMIN", ADMIN);
        let leaf_seconds = reader.or("SERIN_LEAF_SECONDS", LEAF_SECONDS);
        if !(LEAF_SECONDS_LEAST..=LEAF_SECONDS_MOST).contains(&leaf_seconds) {
            let span = format!("must be from {LEAF_SECONDS_LEAST} to {LEAF_SECONDS_MOST}");
            reader.refuse("SERIN_LEAF_SECONDS", span);
        }
        let drain_seconds = reader.or("SERIN_DRAIN_SECONDS", DRAIN_SECONDS);
        let holder = reader.or("POD_NAME", ACCOUNT.to_owned());
        let lease = Lease { name: ACCOUNT, namespace: namespace.clone(), holder };
        let log = reader.or("SERIN_LOG", "info".to_owned());
        reader.finish(move || {
            Some(Self {
                namespace,
                trust_domain: domain?,
                identity: own?,
                operator: operator?,
                cluster_domain,
                listen,
                admin,
                leaf_lifetime: Duration::from_secs(leaf_seconds),
                drain: Duration::from_secs(drain_seconds),
                lease,
                log,
            })
        })
    }
}

const ACCOUNT: &str = "serin-control";
const OPERATOR_ACCOUNT: &str = "serin-operator";
const LISTEN: SocketAddr = any(15012);
const ADMIN: SocketAddr = any(15014);
const LEAF_SECONDS: u64 = 24 * 3600;
const LEAF_SECONDS_LEAST: u64 = 120;
const LEAF_SECONDS_MOST: u64 = 90 * 24 * 3600;
const DRAIN_SECONDS: u64 = 10;

const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_environment_is_an_ordinary_installation() {
        let settings = Settings::read(&Env::from_pairs([])).unwrap();
        let own = "spiffe://cluster.local/ns/serin-system/sa/serin-control";
        assert_eq!(settings.identity.to_string(), own);
        assert_eq!(settings.listen.port(), 15012);
        assert_eq!(settings.leaf_lifetime, Duration::from_secs(86_400));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let env = Env::from_pairs([
            ("SERIN_TRUST_DOMAIN", "Not A Domain"),
            ("SERIN_CONTROL_LISTEN", "15012"),
            ("SERIN_LEAF_SECONDS", "3"),
        ]);
        assert_eq!(Settings::read(&env).unwrap_err().0.len(), 3);
    }
}
