//! How a proxy is put together, and how it ends.
//!
//! Everything but traffic runs on the runtime that calls [`run`]: discovery, identity, the admin
//! servers. The data plane has threads of its own and gets handles.

mod traffic;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use runtime::{
    admin,
    clock::Clock,
    readiness::Readiness,
    tasks::{End, Tasks},
    telemetry::{LogLevel, Metrics},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tracing::info;

use self::traffic::{Handles, Pod};
use crate::{
    admin::{Parts, localhost, pod_facing},
    discovery::{Discovery, Proxy},
    drain::Drain,
    identity::{Control, Identity, Renewal, Roots},
    ports,
    report::Reporter,
    settings::Settings,
    telemetry_rows::Rows,
    worker::{self, Workers},
};

/// Why a proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of its ports is taken.
    #[error("failed to listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// It could not hear that it is to stop.
    #[error("failed to listen to signals")]
    Signals(#[source] io::Error),
    /// The data plane did not start, or broke.
    #[error("the data plane does not run")]
    Traffic(#[source] worker::Error),
}

/// Runs the proxy until it is told to stop, or a part that it cannot do without ends.
///
/// # Errors
/// If it cannot start.
pub async fn run(settings: Settings, log: LogLevel) -> Result<End, Error> {
    let tasks = Tasks::new();
    let (drain, limit) = (Drain::new(), settings.drain);
    let (parts, workers) = start(settings, log, &tasks, &drain)?;
    serve_admin(&parts, &tasks).await?;
    let broken = wait_for_the_end(&tasks).await?;
    drain.begin(Instant::now() + limit);
    let left = drain.finished().await;
    info!(left, broken, "leaving");
    let end = tasks.shutdown(GRACE).await;
    workers.stop().map_err(Error::Traffic)?;
    Ok(if broken { End::Broken } else { end })
}

/// Starts everything that keeps the handles current.
fn start(
    settings: Settings,
    log: LogLevel,
    tasks: &Tasks,
    drain: &Drain,
) -> Result<(Parts, Workers), Error> {
    let (clock, readiness, metrics) = (Clock::system(), Readiness::new(), Metrics::new());
    let (pod, identity) = (Pod::of(&settings), Identity::empty());
    let roots = Roots { file: settings.trust_file, identity: identity.clone() };
    let rows = Rows::new(clock.clone());
    let proxy = Proxy {
        control: settings.control.clone(),
        roots: roots.clone(),
        token: settings.token_file.clone(),
        pod_uid: settings.pod_uid,
        pod_name: Arc::clone(&settings.workload.pod),
        namespace: Arc::clone(&settings.workload.namespace),
        epoch: clock.unix_millis(),
        reporter: Reporter::new(Arc::new(rows.clone()), identity.clone()),
        clock: clock.clone(),
    };
    let (discovery, client) = Discovery::new(proxy, &readiness, &metrics);
    let handles = Handles {
        discovery: discovery.clone(),
        identity: identity.clone(),
        drain: drain.clone(),
        clock: clock.clone(),
        rows,
    };
    let (workers, exporter) = traffic::start(handles, &pod, &metrics).map_err(Error::Traffic)?;
    let authority = Control { control: settings.control, roots, token: settings.token_file };
    let authority = Arc::new(authority);
    let renewal =
        Renewal::new(settings.id, identity.clone(), discovery.clone(), authority, clock.clone())
            .shown(&readiness, &metrics);
    tasks.spawn_critical("discovery", client.run(tasks.token()));
    tasks.spawn_critical("identity", renewal.run(tasks.token()));
    tasks.spawn("spans", exporter.run(tasks.token()));
    let (ended, stopping) = (workers.ended(), tasks.token());
    tasks.spawn_critical("workers", async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = stopping.cancelled() => {}
        }
    });
    let parts = Parts {
        readiness,
        metrics,
        discovery,
        clock,
        identity,
        drain: drain.clone(),
        drain_limit: settings.drain,
        log,
        probes: settings.probes,
        pod: settings.addresses.primary(),
    };
    Ok((parts, workers))
}

async fn serve_admin(parts: &Parts, tasks: &Tasks) -> Result<(), Error> {
    let pod = bind_everywhere(ports::POD_ADMIN).await?;
    let local = bind((Ipv4Addr::LOCALHOST, ports::LOCAL_ADMIN).into()).await?;
    tasks.spawn_critical("pod admin", admin::serve(pod, pod_facing(parts), tasks.token()));
    tasks.spawn_critical("local admin", admin::serve(local, localhost(parts), tasks.token()));
    Ok(())
}

/// For both families, or for IPv4 alone where IPv6 is switched off.
async fn bind_everywhere(port: u16) -> Result<TcpListener, Error> {
    let any = |address: IpAddr| SocketAddr::new(address, port);
    match bind(any(Ipv6Addr::UNSPECIFIED.into())).await {
        Ok(listener) => Ok(listener),
        Err(_no_ipv6) => bind(any(Ipv4Addr::UNSPECIFIED.into())).await,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    admin::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// Waits for a signal, or the end of a critical task; says whether it was the latter.
async fn wait_for_the_end(tasks: &Tasks) -> Result<bool, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let broken = tasks.broken();
    Ok(tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = broken.cancelled() => true,
    })
}

/// How long tasks may take to stop once nothing is in flight.
const GRACE: Duration = Duration::from_secs(2);
