//! Gives the data plane what it needs to run in a pod: the ports that the redirect rules lead to,
//! and handles on what the other half keeps current.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use model::{identity::SpiffeId, workload::Workload};
use prometheus_client::metrics::gauge::Gauge;
use runtime::{clock::Clock, telemetry};

use crate::{
    access_log::{AccessLog, Switch},
    discovery::Discovery,
    drain::Drain,
    identity::Identity,
    metrics::{Metrics, labels::Peer},
    original_dst::OriginalDst,
    ports,
    settings::{Addresses, Settings as Said},
    telemetry_rows::Rows,
    tls::Tls,
    trace::{self, Exporter, Resource},
    worker::{Error, Listener, Memory, Plane, Settings, Workers},
};

/// Handles that the data plane reads from.
pub(super) struct Handles {
    pub(super) discovery: Discovery,
    pub(super) identity: Identity,
    pub(super) drain: Drain,
    pub(super) clock: Clock,
    pub(super) rows: Rows,
}

/// What the injector said that concerns traffic.
pub(super) struct Pod {
    pub(super) id: SpiffeId,
    pub(super) workload: Arc<Workload>,
    pub(super) addresses: Addresses,
    pub(super) proxy_protocol_ports: Vec<u16>,
    pub(super) keeps_case: bool,
    pub(super) memory: Memory,
    pub(super) workers: usize,
    pub(super) access_log: Option<bool>,
}

impl Pod {
    /// What of it concerns traffic.
    pub(super) fn of(said: &Said) -> Self {
        let Said { id, workload, addresses, workers, access_log, .. } = said;
        let ports = &said.proxy_protocol_ports;
        Self {
            id: id.clone(),
            workload: Arc::clone(workload),
            addresses: addresses.clone(),
            proxy_protocol_ports: ports.0.clone(),
            keeps_case: said.preserve_header_case,
            memory: Memory::of_process(said.memory),
            workers: workers.get(),
            access_log: *access_log,
        }
    }
}

/// Starts the data plane; what it leaves of traces is for somebody else to send.
pub(super) fn start(
    handles: Handles,
    pod: &Pod,
    metrics: &telemetry::Metrics,
) -> Result<(Workers, Exporter), Error> {
    let Handles { discovery, identity, drain, clock, rows } = handles;
    let counts = Metrics::new();
    counts.register(metrics);
    let budget = Gauge::<i64>::default();
    budget.set(i64::try_from(pod.memory.budget).unwrap_or(i64::MAX));
    let help = "How much memory the process may hold before it turns requests away";
    metrics.registry().register("serin_proxy_memory_budget_bytes", help, budget);
    let switch = match pod.access_log {
        None => Switch::AsTheMeshSays,
        Some(true) => Switch::On,
        Some(false) => Switch::Off,
    };
    let access_log = AccessLog::new(clock.clone(), io::stdout(), switch).map_err(Error::Spawn)?;
    // The pod knows itself; there is no certificate of its own to compare with.
    let own = Workload { identity: Some(pod.id.clone()), ..Workload::clone(&pod.workload) };
    let resource = Resource::of(&own);
    let (spans, exporter) =
        trace::queue(clock.clone(), discovery.clone(), resource, counts.shard());
    let workers = Workers::start(&Arc::new(Plane {
        discovery,
        tls: Arc::new(Tls::new(identity, clock.clone())),
        drain,
        clock,
        metrics: counts,
        rows,
        access_log,
        spans,
        local: Arc::new(Peer::from_workload(&own, Some(&pod.id))),
        settings: settings(pod),
    }))?;
    Ok((workers, exporter))
}

fn settings(pod: &Pod) -> Settings {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let listener = |on: [IpAddr; 2], port| Listener {
        addresses: on.map(|address| SocketAddr::new(address, port)).to_vec(),
        original: OriginalDst::Kernel,
    };
    Settings {
        workers: pod.workers,
        outbound: listener(loopback, ports::OUTBOUND),
        inbound: listener(any, ports::INBOUND),
        own_addresses: pod.addresses.iter().map(|address| address.to_canonical()).collect(),
        proxy_protocol_ports: pod.proxy_protocol_ports.iter().copied().collect(),
        keeps_case: pod.keeps_case,
        connections: CONNECTIONS,
        queue_limit: QUEUE_LIMIT,
        memory: pod.memory.clone(),
        head_limit: HEAD_LIMIT,
        strict_grace: STRICT_GRACE,
    }
}

/// Connections that a pod may have open through its proxy, either way.
const CONNECTIONS: usize = 10_000;
/// How long a connection waits for a place: longer than a burst takes, and not so long that its
/// client has given up.
const QUEUE_LIMIT: Duration = Duration::from_secs(1);
/// How long plain connections may go on once the workload is strict.
const STRICT_GRACE: Duration = Duration::from_secs(30);
/// How long a client may take over the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
