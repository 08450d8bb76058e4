//! Serin as a pod has it, in a process of its own: routes, policy, metrics and identity, over the
//! data plane that `serin-proxy` runs. Only redirection and the control plane are not there.

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use lab::{Proxy, Setup};
use model::{
    endpoint::Endpoint,
    inbound::MtlsMode,
    key::Key,
    resource::Resource,
    route::{HeaderMatch, PathMatch, RequestMatch, Route, WeightedBackend},
    service::{Protocol, Service},
};
use serde::{Deserialize, Serialize};

use crate::certificates::Holder;

/// What a pod's proxy is started with.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the service's endpoint is, or the pod's application.
    #[arg(long)]
    to: SocketAddr,
    /// Which way connections go.
    #[arg(long)]
    way: Way,
    /// What the service's port speaks.
    #[arg(long, default_value = "http")]
    speaks: Speaks,
    /// Whether the endpoint has a proxy, or the pod insists that clients have one.
    #[arg(long)]
    mesh: bool,
    /// Where its certificate is.
    #[arg(long)]
    identity: Option<PathBuf>,
}

/// Which way connections go.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Way {
    /// From the pod to a service.
    Outbound,
    /// From elsewhere to the pod.
    Inbound,
}

/// What a service's port speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Speaks {
    /// HTTP, with routes.
    Http,
    /// Bytes.
    Tcp,
}

/// What a pod's proxy says when it is asked.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Report {
    /// How many series it would show to Prometheus.
    pub series: usize,
}

/// Starts a proxy, says where it listens, and tells its [`Report`] for every line of standard input
/// until that ends.
///
/// # Errors
/// If there is no certificate where one is named.
#[expect(clippy::print_stdout, reason = "whoever started it waits for these lines")]
pub fn run(args: &Args) -> Result<()> {
    let mut proxy = Proxy::start(setup(args)?);
    let address = match args.way {
        Way::Outbound => proxy.outbound(),
        Way::Inbound => proxy.inbound(),
    };
    // Nobody answers what is not known: as with a control plane that has said all it has to say.
    let _feed = proxy.take_feed();
    println!("{}", serde_json::to_string(&address)?);
    std::io::stdout().flush()?;
    for line in std::io::stdin().lock().lines() {
        line.context("standard input is no text")?;
        let scraped = proxy.scrape();
        let series = scraped.lines().filter(|line| !line.starts_with('#')).count();
        println!("{}", serde_json::to_string(&Report { series })?);
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn setup(args: &Args) -> Result<Setup> {
    let name = if args.way == Way::Outbound { crate::CLIENT } else { crate::SERVER };
    let mut setup = Setup::new(name);
    setup.connections = CONNECTIONS;
    if let Some(folder) = &args.identity {
        setup = setup.identity(Holder::read(folder)?.identity());
    }
    Ok(match args.way {
        Way::Inbound if args.mesh => setup.serving(args.to, MtlsMode::Strict),
        Way::Inbound => setup.serving(args.to, MtlsMode::Permissive),
        Way::Outbound => setup.with(service(args)),
    })
}

fn service(args: &Args) -> Vec<(Key, Resource)> {
    let endpoint = match args.mesh {
        true => lab::meshed(args.to, crate::SERVER),
        false => Endpoint::plain(args.to),
    };
    let mut resources = lab::service(vec![endpoint]);
    let protocol = match args.speaks {
        Speaks::Http => Protocol::Detect,
        Speaks::Tcp => Protocol::Tcp,
    };
    let routes = if args.speaks == Speaks::Http { routes() } else { Vec::new() };
    let service = Service { routes, ..lab::plain_service(protocol, None) };
    for (key, resource) in &mut resources {
        if matches!(key, Key::Service(_)) {
            *resource = Resource::Service(Arc::new(service.clone()));
        }
    }
    resources
}

/// Three rules, of which the last takes what is measured: two are looked at in vain.
fn routes() -> Vec<Route> {
    let header = HeaderMatch { name: "x-tester".into(), value: "yes".into() };
    let tested = RequestMatch { headers: vec![header], ..RequestMatch::default() };
    let path = PathMatch::Prefix("/admin".into());
    let admin = RequestMatch { path, ..RequestMatch::default() };
    let all =
        [("shop/tested", tested), ("shop/admin", admin), ("shop/rest", RequestMatch::default())];
    let rule = |(name, matches): (&str, RequestMatch)| {
        let backend = WeightedBackend { service: Some(lab::service_id()), weight: 1 };
        Route { name: name.into(), matches, backends: vec![backend] }
    };
    all.into_iter().map(rule).collect()
}

/// What `serin-proxy` comes with has to be enough for every measurement.
const CONNECTIONS: usize = 20_000;
