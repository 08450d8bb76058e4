//! `serin-control`: reads its settings, wires the parts together and waits for its end.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use control::{
    ca,
    compile::destination::ClusterDomain,
    index::{self, Inputs, Outputs, Setup},
    meter::Meter,
    operations::Operations,
    report::Registry,
    routes,
    serve::{self, Server, certificate::Serving},
    session::{
        Sessions, Sources,
        body::{Bodies, Most},
    },
    settings::Settings,
    sign::{self, Signer},
    token::{ApiServer, Tokens},
    view::Views,
    watch,
};
use kube::Client;
use runtime::{
    admin::{self, Admin},
    clock::Clock,
    readiness::{Pending, Readiness},
    settings::Env,
    tasks::{End, Tasks},
    telemetry::{self, Metrics},
    tls,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tracing::info;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Env::from_process())?;
    let _level = telemetry::init(&settings.log)?;
    tls::install_provider();
    let (tasks, readiness, metrics) = (Tasks::new(), Readiness::new(), Metrics::new());
    let admin = admin::bind(settings.admin).await.context("cannot bind the admin port")?;
    let pages = Admin::new(readiness.clone(), metrics.clone());
    tasks.spawn_critical("admin", admin::serve(admin, pages, tasks.token()));
    let client = cluster::client::connect().await?;
    let listener = TcpListener::bind(settings.listen).await.context("cannot bind the port")?;
    info!(listen = %settings.listen, identity = %settings.identity, "starting");
    let (views, server) = wire_up(&settings, client, &tasks, &readiness, &metrics);
    let listening = readiness.token("listener");
    tasks.spawn_critical("listener", listen(listener, views, server, listening));
    let end = tasks.run_until_signal(Duration::ZERO, settings.drain).await?;
    Ok(match end {
        End::Clean | End::Late => ExitCode::SUCCESS,
        End::Broken => ExitCode::FAILURE,
    })
}

/// The parts, each with what it reads and writes.
fn wire_up(
    settings: &Settings,
    client: Client,
    tasks: &Tasks,
    readiness: &Readiness,
    metrics: &Metrics,
) -> (Views, Server) {
    let watched = cluster::watch::Meter::registered(&mut metrics.registry());
    let (meter, clock) = (Meter::new(metrics), Clock::system());
    let (authorities, trust) =
        ca::secret::follow(client.clone(), &settings.namespace, &watched, tasks);
    let registry = Registry::start(tasks);
    let operator = settings.operator.clone();
    let (operations, decisions) =
        Operations::new(operator, registry.clone(), tasks.clone(), meter.clone());
    let inputs = Inputs { events: watch::spawn(tasks, &client, &watched), decisions, trust };
    let domain = ClusterDomain(settings.cluster_domain.as_str().into());
    let (known, indexed) =
        (readiness.token("view"), index::Meter::registered(&mut metrics.registry()));
    let setup = Setup { domain, known, meter: indexed };
    let Outputs { views, routes } = index::spawn(tasks, setup, inputs);
    routes::spawn(&client, settings.lease.clone(), routes, tasks);
    let tokens: Arc<dyn Tokens> = Arc::new(ApiServer::new(client));
    let places = Arc::new(Semaphore::new(sign::PLACES));
    let sources = Sources {
        views: views.clone(),
        authorities: authorities.clone(),
        bodies: Arc::new(Bodies::new(Most::default(), meter.encoded.clone())),
        meter: meter.clone(),
    };
    let sessions = Sessions {
        trust_domain: settings.trust_domain.clone(),
        sources,
        tokens: Arc::clone(&tokens),
        places: Arc::clone(&places),
        registry,
        tasks: tasks.clone(),
    };
    let signer = Signer {
        trust_domain: settings.trust_domain.clone(),
        lifetime: settings.leaf_lifetime,
        authorities: authorities.clone(),
        tokens,
        clock: clock.clone(),
        meter: meter.clone(),
        places,
    };
    let (identity, lifetime) = (settings.identity.clone(), settings.leaf_lifetime);
    let serving = Serving { identity, lifetime, authorities, clock: clock.clone() };
    let identities = serve::certificate::keep(serving, tasks);
    let routes = wire::server::routes(Arc::new(sessions), Arc::new(signer), Arc::new(operations));
    (views, Server { routes, identities, clock, meter, tasks: tasks.clone() })
}

/// Serves nobody before there is a view and a certificate: an absence would look like an answer.
async fn listen(listener: TcpListener, mut views: Views, mut server: Server, listening: Pending) {
    let known = async {
        views.changed().await.ok()?;
        server.identities.wait_for(Option::is_some).await.ok().map(drop)
    };
    let stop = server.tasks.token();
    if let Some(Some(())) = stop.run_until_cancelled(known).await {
        listening.ready();
        serve::serve(listener, server).await;
    }
}
