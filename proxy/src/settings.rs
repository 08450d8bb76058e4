//! What the injector tells the proxy through its environment, read once and checked all at once.

use std::{net::IpAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use model::{
    identity::{self, SpiffeId, TrustDomain},
    revision::Revision,
    workload::Workload,
};
use runtime::settings::{Env, Errors, Reader};

use crate::{control::Control, probe::Probes, redirect::List};

mod address;

pub use self::address::Addresses;

/// Everything a proxy is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The control plane.
    pub control: Control,
    /// Who this proxy is to be.
    pub id: SpiffeId,
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod as its peers name it.
    pub workload: Arc<Workload>,
    /// The pod's addresses, the primary one first.
    pub addresses: Addresses,
    /// The application's probes, which kubelet asks here.
    pub probes: Probes,
    /// Ports of the application's that a load balancer speaks the PROXY protocol to.
    pub proxy_protocol_ports: List<u16>,
    /// Whether names of headers are kept as they were written.
    pub preserve_header_case: bool,
    /// How many bytes of memory the process may hold; nothing leaves it to the container's limit.
    pub memory: Option<u64>,
    /// Threads that carry traffic.
    pub workers: NonZeroUsize,
    /// What is logged.
    pub log: String,
    /// Whether requests are logged, whatever the mesh says; nothing leaves it to the mesh.
    pub access_log: Option<bool>,
    /// How long the proxy may take to leave.
    pub drain: Duration,
    /// The trust bundle that the pod was started with.
    pub trust_file: PathBuf,
    /// The pod's token for control.
    pub token_file: PathBuf,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn read(env: &Env) -> Result<Self, Errors> {
        let mut reader = env.reader();
        let domain = reader.or("SERIN_TRUST_DOMAIN", default_domain());
        let (id, control) = (id(&mut reader, &domain), control(&mut reader, domain.clone()));
        let addresses = addresses(&mut reader);
        let workload = workload(&mut reader, id.as_ref(), addresses.as_ref());
        let pod_uid: Option<String> = reader.required("POD_UID");
        let probes = reader.or("SERIN_PROBES", Probes::default());
        let proxy_protocol_ports = reader.or("SERIN_PROXY_PROTOCOL_PORTS", List::default());
        let preserve_header_case = reader.or("SERIN_PRESERVE_HEADER_CASE", false);
        let workers = reader.or("SERIN_WORKERS", NonZeroUsize::MIN);
        if workers.get() > MOST_WORKERS {
            reader.refuse("SERIN_WORKERS", format!("more than {MOST_WORKERS} gain nothing"));
        }
        let memory = reader.optional("SERIN_MEMORY_BYTES");
        if memory.is_some_and(|memory| memory < LEAST_MEMORY) {
            reader.refuse("SERIN_MEMORY_BYTES", format!("less than {LEAST_MEMORY}"));
        }
        let log = reader.or("SERIN_LOG", "info".to_owned());
        let access_log = reader.optional("SERIN_ACCESS_LOG");
        let drain = Duration::from_secs(reader.or("SERIN_DRAIN_SECONDS", DRAIN_SECONDS));
        let trust_file = reader.or("SERIN_TRUST_FILE", PathBuf::from(TRUST_FILE));
        let token_file = reader.or("SERIN_TOKEN_FILE", PathBuf::from(TOKEN_FILE));
        reader.finish(|| {
            Some(Self {
                control: control?,
                id: id?,
                pod_uid: pod_uid?.into(),
                workload: Arc::new(workload?),
                addresses: addresses?,
                probes,
                proxy_protocol_ports,
                preserve_header_case,
                memory,
                workers,
                log,
                access_log,
                drain,
                trust_file,
                token_file,
            })
        })
    }
}

fn id(reader: &mut Reader<'_>, domain: &TrustDomain) -> Option<SpiffeId> {
    let namespace: Option<String> = reader.required("POD_NAMESPACE");
    let account: Option<String> = reader.required("SERVICE_ACCOUNT");
    let id = SpiffeId::new(domain.clone(), &namespace?, &account?);
    id.map_err(|why| reader.refuse("SERVICE_ACCOUNT", why)).ok()
}

fn control(reader: &mut Reader<'_>, domain: TrustDomain) -> Option<Control> {
    let address: String = reader.required("SERIN_CONTROL")?;
    let namespace = namespace_of(&address).unwrap_or(SYSTEM_NAMESPACE).to_owned();
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port {
        reader.refuse("SERIN_CONTROL", "not of the form <host>:<port>");
        return None;
    }
    let control: Result<_, identity::Error> = Control::new(address, domain, &namespace);
    control.map_err(|why| reader.refuse("SERIN_CONTROL", why)).ok()
}

/// The namespace in `<service>.<namespace>.svc…`; control's certificate names it.
fn namespace_of(address: &str) -> Option<&str> {
    let mut labels = address.split(['.', ':']);
    let (_service, namespace, kind) = (labels.next()?, labels.next()?, labels.next()?);
    (kind == "svc").then_some(namespace)
}

fn addresses(reader: &mut Reader<'_>) -> Option<Addresses> {
    let primary: Option<IpAddr> = reader.required("POD_IP");
    let all: Addresses = reader.or("POD_IPS", Addresses::default());
    Some(all.with_first(primary?))
}

fn workload(
    reader: &mut Reader<'_>,
    id: Option<&SpiffeId>,
    addresses: Option<&Addresses>,
) -> Option<Workload> {
    let pod: Option<String> = reader.required("POD_NAME");
    let mut text = |name| Arc::from(reader.or(name, String::new()));
    let (workload, app, version) =
        (text("SERIN_WORKLOAD"), text("SERIN_APP"), text("SERIN_VERSION"));
    let canonical_name = text("SERIN_CANONICAL_NAME");
    let canonical_revision = text("SERIN_CANONICAL_REVISION");
    let node = text("NODE_NAME");
    let revision: Option<Revision> = reader.optional("SERIN_REVISION");
    let id = id?;
    Some(Workload {
        address: addresses?.primary(),
        pod: pod?.into(),
        namespace: id.namespace().into(),
        workload,
        app,
        version,
        canonical_name,
        canonical_revision,
        revision,
        service_account: id.service_account().into(),
        identity: Some(id.clone()),
        // Of itself a proxy is told in another way.
        plain_ports: std::collections::BTreeSet::new(),
        keeps_case: false,
        node,
        zone: "".into(),
    })
}

fn default_domain() -> TrustDomain {
    "cluster.local".parse().expect("a trust domain is made of such characters")
}

const SYSTEM_NAMESPACE: &str = "serin-system";
const TRUST_FILE: &str = "/var/run/serin/trust/trust.pem";
const TOKEN_FILE: &str = "/var/run/serin/token/token";
const DRAIN_SECONDS: u64 = 30;
/// Twice what a proxy at rest holds.
const LEAST_MEMORY: u64 = 16 << 20;
const MOST_WORKERS: usize = 64;

#[cfg(test)]
mod tests;
