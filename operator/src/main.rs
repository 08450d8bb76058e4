//! `serin-operator`: installs the mesh, rotates its CA and runs canary rollouts.
//!
//! Every replica sees the cluster; the one that holds the lease acts, in a session for the mesh
//! there is. What the operator decides is written down before it gives traffic to anything, so that
//! another replica goes on where this one stopped.

mod ca;
mod fleet;
mod mesh;
mod metrics;
mod rollout;
mod session;
mod settings;
mod world;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use api::names;
use clap::Parser;
use cluster::{events::Events, lease, lease::Lease, watch::Meter};
use runtime::{
    admin::{self, Admin},
    clock::Clock,
    readiness::Readiness,
    settings::Env,
    tasks::{End, Tasks},
    telemetry::{self, Metrics},
    tls,
};
use tokio::sync::watch;
use tracing::info;

use metrics::Gauges;
use session::{Handle, Shared};
use settings::Settings;
use world::World;

/// Serin's operator. It takes its settings from the environment: POD_NAME (required),
/// POD_NAMESPACE, SERIN_IMAGES (where the images of control plane, webhook and proxy come from),
/// SERIN_OPERATOR_ADMIN (address of /ready, /live and /metrics), SERIN_LOG.
#[derive(Debug, Parser)]
#[command(name = "serin-operator", version)]
struct Arguments {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {} = Arguments::parse();
    let settings = Settings::read(&Env::from_process())?;
    telemetry::init(&settings.log)?;
    tls::install_provider();
    let tasks = Tasks::new();
    Box::pin(start(settings, &tasks)).await?;
    match tasks.run_until_signal(Duration::ZERO, DRAIN).await? {
        End::Clean | End::Late => Ok(()),
        End::Broken => anyhow::bail!("a task that the operator needs has ended"),
    }
}

async fn start(settings: Settings, tasks: &Tasks) -> anyhow::Result<()> {
    let Settings { pod, operator, admin, log: _ } = settings;
    let (readiness, metrics) = (Readiness::new(), Metrics::new());
    let seen = readiness.token("the first look at the cluster");
    let listener = admin::bind(admin).await.with_context(|| format!("cannot listen on {admin}"))?;
    let served = admin::serve(listener, Admin::new(readiness, metrics.clone()), tasks.token());
    tasks.spawn_critical("admin", served);

    let client = cluster::client::connect().await?;
    let meter = Meter::registered(&mut metrics.registry());
    let gauges = Gauges::registered(&mut metrics.registry());
    let (see, worlds) = watch::channel(World::default());
    let (namespace, stop) = (operator.namespace.clone(), tasks.token());
    let seeing = world::keep(client.clone(), namespace.clone(), meter, see, stop.clone());
    tasks.spawn_critical("world", Box::pin(seeing));
    let mut looking = worlds.clone();
    tasks.spawn("readiness", async move {
        if looking.wait_for(World::is_complete).await.is_ok() {
            info!("the cluster is in sight");
            seen.ready();
        }
    });

    let (holds, held) = watch::channel(false);
    let lease = Lease { name: names::OPERATOR, namespace, holder: pod.clone() };
    tasks
        .spawn_critical("lease", Box::pin(lease::keep(client.clone(), lease, holds, stop.clone())));
    let shared = Shared {
        client: Arc::new(Handle(client.clone())),
        clock: Clock::system(),
        operator: Arc::new(operator),
        worlds,
        events: Events::new(client, names::OPERATOR, &pod),
        gauges,
        about: k8s_openapi::api::core::v1::ObjectReference::default(),
    };
    tasks.spawn_critical("lead", Box::pin(session::lead(shared, held, stop)));
    Ok(())
}

/// The grace that its Deployment gives it, less a little.
const DRAIN: Duration = Duration::from_secs(10);
