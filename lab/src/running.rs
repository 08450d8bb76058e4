//! Proxies that run in this process, on loopback.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, mpsc::Sender},
};

use model::{inbound::MtlsMode, key::Key, resource::Resource as Known};
use proxy::{
    access_log::{AccessLog, Switch},
    discovery::{Discovery, TestFeed},
    drain::Drain,
    identity::Identity,
    metrics::{Metrics, labels::Peer},
    original_dst::OriginalDst,
    ports,
    telemetry_rows::Rows,
    tls::Tls,
    trace::{self, Exporter, Resource},
    worker::{Listener, Plane, Settings, Workers},
};
use runtime::clock::Clock;

use crate::{
    HEAD_LIMIT,
    authority::Authority,
    resources::{meshed, service, workload},
    setup::Setup,
};

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// What its workers share.
    pub plane: Arc<Plane>,
    feed: Option<TestFeed>,
    exporter: Option<Exporter>,
    /// Who it is.
    pub identity: Identity,
    workers: Option<Workers>,
}

impl Proxy {
    /// Starts a proxy.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let Setup { name, identity, resources, going_to, coming_to, .. } = setup;
        let Setup { workers, connections, redirected, proxy_protocol_ports, log, .. } = setup;
        let (queue_limit, memory, keeps_case) = (setup.queue_limit, setup.memory, setup.keeps_case);
        let (discovery, feed) = Discovery::for_tests(resources);
        let clock = Clock::system();
        let listener = |to, port| match redirected {
            true => Listener { addresses: everywhere(port), original: OriginalDst::Kernel },
            false => Listener {
                addresses: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)],
                original: OriginalDst::Fixed(to),
            },
        };
        let outbound = match setup.listening {
            all if all.is_empty() => listener(going_to, ports::OUTBOUND),
            all => Listener { addresses: all, original: OriginalDst::Local },
        };
        let settings = Settings {
            workers,
            outbound,
            inbound: listener(coming_to, ports::INBOUND),
            own_addresses: Vec::new(),
            proxy_protocol_ports,
            keeps_case,
            connections,
            queue_limit,
            memory,
            head_limit: HEAD_LIMIT,
            strict_grace: HEAD_LIMIT,
        };
        let (metrics, resource) = (Metrics::new(), Resource::of(&workload(name)));
        let (spans, exporter) =
            trace::queue(clock.clone(), discovery.clone(), resource, metrics.shard());
        let plane = Arc::new(Plane {
            discovery,
            tls: Arc::new(Tls::new(identity.clone(), clock.clone())),
            drain: Drain::new(),
            metrics,
            rows: Rows::new(clock.clone()),
            access_log: access_log(&clock, log),
            spans,
            local: Arc::new(Peer { workload: name.into(), ..Peer::unknown() }),
            clock,
            settings,
        });
        let workers = Some(Workers::start(&plane).unwrap());
        let (feed, exporter) = (Some(feed), Some(exporter));
        Self { plane, feed, exporter, identity, workers }
    }

    /// The hand that changes what the control plane says.
    #[must_use]
    pub fn feed(&self) -> &TestFeed {
        self.feed.as_ref().unwrap()
    }

    /// The same, to keep; nobody else has it then.
    pub fn take_feed(&mut self) -> TestFeed {
        self.feed.take().unwrap()
    }

    /// What sends the spans of its requests, to be run by whoever wants them; nobody else has it
    /// then.
    pub fn take_exporter(&mut self) -> Exporter {
        self.exporter.take().unwrap()
    }

    /// Where its application's connections are led.
    #[must_use]
    pub fn outbound(&self) -> SocketAddr {
        *self.workers.as_ref().unwrap().outbound.first().unwrap()
    }

    /// Where connections to its pod are led.
    #[must_use]
    pub fn inbound(&self) -> SocketAddr {
        *self.workers.as_ref().unwrap().inbound.first().unwrap()
    }

    /// Its metrics, as Prometheus reads them.
    #[must_use]
    pub fn scrape(&self) -> String {
        let all = runtime::telemetry::Metrics::new();
        self.plane.metrics.register(&all);
        all.encode().unwrap()
    }

    /// The sum of all series of `name` that hold all of `labels`.
    #[must_use]
    pub fn counted(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.scrape();
        let is_it =
            |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        let lines = text.lines().filter(is_it);
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.workers.take().unwrap().stop().unwrap();
    }
}

fn access_log(clock: &Clock, lines: Option<Sender<Vec<u8>>>) -> AccessLog {
    let log = match lines {
        Some(lines) => AccessLog::new(clock.clone(), Lines(lines), Switch::AsTheMeshSays),
        None => AccessLog::new(clock.clone(), io::sink(), Switch::Off),
    };
    log.unwrap()
}

/// Hands on what is written, as it is.
struct Lines(Sender<Vec<u8>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    let any = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.map(|address| SocketAddr::new(address, port)).to_vec()
}

/// A client's proxy and a server's, with `application` behind the latter.
#[derive(Debug)]
pub struct Pair {
    /// The client's.
    pub client: Proxy,
    /// The server's.
    pub server: Proxy,
}

impl Pair {
    /// Starts both, with a root of their own.
    #[must_use]
    pub fn start(application: SocketAddr) -> Self {
        Self::start_with(application, &[])
    }

    /// The same, where discovery answers this, too, on both sides.
    #[must_use]
    pub fn start_with(application: SocketAddr, resources: &[(Key, Known)]) -> Self {
        Self::made_of(|name| Setup::new(name).with(resources.iter().cloned()), application)
    }

    /// The same, where names of headers are kept as they were written.
    #[must_use]
    pub fn keeping_case(application: SocketAddr) -> Self {
        Self::made_of(|name| Setup { keeps_case: true, ..Setup::new(name) }, application)
    }

    fn made_of(setup: impl Fn(&'static str) -> Setup, application: SocketAddr) -> Self {
        let authority = Authority::fresh();
        let both = |name| setup(name).identity(authority.identity(name));
        let server = Proxy::start(both("catalogue").serving(application, MtlsMode::Strict));
        let endpoints = vec![meshed(server.inbound(), "catalogue")];
        let client = Proxy::start(both("frontend").with(service(endpoints)));
        Self { client, server }
    }
}
