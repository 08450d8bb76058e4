//! `serin-webhook`: answers the API server's admission reviews.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use runtime::{
    admin,
    readiness::Readiness,
    settings::Env,
    tasks::{End, Tasks},
    telemetry,
};
use webhook::{
    facts,
    serve::{Certificate, Metrics, Webhook, router, serve},
    settings::Settings,
};

/// Serin's admission webhook.
///
/// It is started by the operator and has no options: it is set by environment variables
/// (SERIN_WEBHOOK_LISTEN, SERIN_WEBHOOK_ADMIN, SERIN_WEBHOOK_TLS, SERIN_WEBHOOK_CONFIG, SERIN_LOG).
#[derive(Debug, Parser)]
#[command(name = "serin-webhook", version)]
struct Arguments {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {} = Arguments::parse();
    let settings = Settings::from_env(&Env::from_process())?;
    telemetry::init(&settings.log)?;
    runtime::tls::install_provider();

    let (tasks, readiness, metrics) = (Tasks::new(), Readiness::new(), telemetry::Metrics::new());
    let admin = admin::Admin::new(readiness.clone(), metrics.clone());
    let listener =
        admin::bind(settings.admin).await.context("the admin address cannot be bound")?;
    tasks.spawn_critical("admin", admin::serve(listener, admin, tasks.token()));

    let certificate = Certificate::read(&settings.tls).context("no serving certificate")?;
    let config = Arc::new(settings.injection()?);
    let client = kube::Client::try_default().await.context("the API server is not configured")?;
    let facts = facts::watch(&client, &tasks, &readiness);
    let listener = tokio::net::TcpListener::bind(settings.listen).await;
    let listener = listener.context("the listening address cannot be bound")?;

    tasks.spawn_critical("certificate", certificate.clone().keep_current(tasks.token()));
    let router = router(Webhook { config, facts, metrics: Metrics::new(&metrics) });
    tasks.spawn_critical("server", serve(listener, router, certificate, tasks.clone()));
    match tasks.run_until_signal(LINGER, DRAIN).await? {
        End::Clean | End::Late => Ok(()),
        End::Broken => anyhow::bail!("a part that the webhook cannot do without has ended"),
    }
}

/// How long the API server may take to hear that this replica is on its way out: a pod that is made
/// while it asks here in vain gets no proxy.
const LINGER: Duration = Duration::from_secs(5);
/// Together they are less than the grace of 30 s that its Deployment gives it.
const DRAIN: Duration = Duration::from_secs(10);
