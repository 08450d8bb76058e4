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
use proxy::{discovery::TestFeed, worker::Memory};
use serde::{Deserialize, Serialize};

use crate::{
    certificates::Holder,
    services::{self, Services},
};

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
    /// How many services there are of which it knows what it asks for; none but one at `to`
    /// otherwise.
    #[arg(long, default_value_t = 0)]
    services: usize,
    /// How many of them can be called.
    #[arg(long, default_value_t = 1)]
    called: usize,
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
    let _feed = feed(args, proxy.take_feed())?;
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

/// Says what it knows of many services when it is asked; the feed itself where there is only one.
fn feed(args: &Args, feed: TestFeed) -> Result<Option<TestFeed>> {
    if args.services == 0 {
        return Ok(Some(feed));
    }
    let all = Services { count: args.services, upstream: args.to.port() };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let answer = move || runtime.block_on(feed.answer_each(|key| all.under(key)));
    std::thread::Builder::new().name("feed".to_owned()).spawn(answer)?;
    Ok(None)
}

fn setup(args: &Args) -> Result<Setup> {
    let name = if args.way == Way::Outbound { crate::CLIENT } else { crate::SERVER };
    let mut setup = Setup::new(name);
    setup.connections = CONNECTIONS;
    setup.memory = Memory::of_process(None);
    if args.services > 0 {
        let port = services::free_port()?;
        setup.listening = (0..args.called).map(|number| services::address(number, port)).collect();
    }
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
