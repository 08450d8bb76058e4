//! The data plane's workers: threads with a single-threaded runtime each, which own their
//! connections, pools and views, and share nothing that a request would touch.

mod heed;
mod launch;
mod memory;
mod shortage;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use model::{key::Key, mesh::Mesh, resource::Resource, service::ServiceId};
use runtime::clock::Clock;
use tokio::time::Instant;
use tracing::warn;

use self::memory::Room;
use self::shortage::{Relief, Shortage};
pub use self::{
    launch::{Error, Workers},
    memory::Memory,
};
use crate::{
    access_log::AccessLog,
    balance::Dice,
    detect::habits::Habits,
    discovery::{Answer, Discovery},
    drain::{Drain, Gauge},
    http::recorder::{Recorder, Shared},
    metrics::{
        Event, FORGET_AFTER, Metrics, Shard,
        labels::{PathLabels, Peer},
    },
    original_dst::OriginalDst,
    outbound::directory::Directory,
    pool::connect,
    telemetry_rows::Rows,
    tls::Tls,
    trace::{Outbox, Tracer},
};

/// What all workers share.
#[derive(Debug)]
pub struct Plane {
    /// What the control plane says.
    pub discovery: Discovery,
    /// Connections between proxies.
    pub tls: Arc<Tls>,
    /// Whether the proxy is on its way out.
    pub drain: Drain,
    /// The time of day.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// What rollouts are judged by.
    pub rows: Rows,
    /// Where requests are logged.
    pub access_log: AccessLog,
    /// Where spans of requests are left.
    pub spans: Outbox,
    /// How this pod is named in labels.
    pub local: Arc<Peer>,
    /// What the data plane was told when it was started.
    pub settings: Settings,
}

/// What the data plane is told when it is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many workers there are, at least one.
    pub workers: usize,
    /// Where the pod's own connections are led.
    pub outbound: Listener,
    /// Where connections from elsewhere are led.
    pub inbound: Listener,
    /// The pod's addresses: connections to others are refused, for addresses of pods are used
    /// again. Empty: any.
    pub own_addresses: Vec<IpAddr>,
    /// Ports of the pod's that a load balancer speaks the PROXY protocol to.
    pub proxy_protocol_ports: BTreeSet<u16>,
    /// Whether names of headers of HTTP/1 are kept as they were written, to and from the pod.
    pub keeps_case: bool,
    /// How many connections may be open at a time, either way.
    pub connections: usize,
    /// How long a connection waits for a place where all are taken.
    pub queue_limit: Duration,
    /// How much all of them may hold together.
    pub memory: Memory,
    /// How long the head of a request of HTTP/1 may take from its first byte to its last.
    pub head_limit: Duration,
    /// How long plain connections may go on when the workload takes them no more.
    pub strict_grace: Duration,
}

/// Where one way's connections come in.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Addresses to listen on. Those of IPv6 may fail where there is none.
    pub addresses: Vec<SocketAddr>,
    /// How it is known where a connection was going.
    pub original: OriginalDst,
}

/// Where conversations begin in one way or another.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Place {
    /// At a service that the pod calls.
    Service(ServiceId),
    /// At a port of the pod's own.
    Port(u16),
}

/// One worker, as everything that runs on it sees it.
#[derive(Debug)]
pub struct Worker {
    /// What it shares with others.
    pub plane: Arc<Plane>,
    /// What it counts.
    pub shard: Arc<Shard>,
    /// What it has in flight.
    pub gauge: Gauge,
    /// Its luck.
    pub dice: Dice,
    /// The services it knows, and their endpoints.
    pub directory: Directory,
    /// Where the server spoke first.
    pub server_first: Habits<Place>,
    /// Pods that came to a port of this one without a handshake, although they have a proxy: they
    /// keep it from some of what they send.
    pub plain_peers: Habits<(IpAddr, u16)>,
    mesh: RefCell<(Option<u64>, Option<Arc<Mesh>>)>,
    tracer: RefCell<Option<Rc<Tracer>>>,
    logging: Cell<Option<model::mesh::AccessLog>>,
    asking: RefCell<BTreeSet<Key>>,
    forgot_at: Cell<Instant>,
    shortage: Shortage,
    memory: memory::Gauge,
}

impl Worker {
    /// A worker that knows nothing yet.
    #[must_use]
    pub fn new(plane: Arc<Plane>, seed: u64) -> Rc<Self> {
        let shard = plane.metrics.shard();
        let gauge = plane.drain.gauge();
        let directory = Directory::new(plane.discovery.changed());
        let mesh = RefCell::new((None, None));
        let (asking, forgot_at) = (RefCell::default(), Cell::new(Instant::now()));
        let dice = Dice::new(seed);
        let (server_first, plain_peers) = (Habits::new(HABITS), Habits::new(HABITS));
        let worker = Rc::new(Self {
            plane,
            shard,
            gauge,
            dice,
            directory,
            server_first,
            plain_peers,
            mesh,
            tracer: RefCell::default(),
            logging: Cell::new(None),
            asking,
            forgot_at,
            shortage: Shortage::default(),
            memory: memory::Gauge::default(),
        });
        worker.heed_mesh();
        worker
    }

    /// What holds for the whole mesh, as last heard; nothing before the control plane was first
    /// heard.
    #[must_use]
    pub fn mesh(&self) -> Option<Arc<Mesh>> {
        let generation = Some(self.directory.generation());
        let mut held = self.mesh.borrow_mut();
        if held.0 != generation {
            held.0 = generation;
            if let Some(Answer::Found(Resource::Mesh(mesh))) =
                self.plane.discovery.current(&Key::Mesh)
            {
                held.1 = Some(mesh);
            }
        }
        held.1.clone()
    }

    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.shard.count(event);
    }

    /// Something was missing on this side for another connection: says so, though not every time,
    /// and closes what is only kept for later.
    pub fn exhausted(&self, why: &std::io::Error) {
        self.count(Event::Exhausted);
        self.relieve(why, Instant::now());
    }

    /// Counts why there is no connection, once. What was missing on this side says nothing of the
    /// other, nor does that somebody did not want to wait.
    pub fn no_connection(&self, error: &connect::Error) {
        match error {
            connect::Error::Exhausted(why) => self.exhausted(why),
            connect::Error::Tls(_) => self.count(Event::RefusedServer),
            connect::Error::Connect(_) | connect::Error::Http(_) | connect::Error::Http2(_) => {
                self.count(Event::ConnectFailed);
            }
            connect::Error::Slow | connect::Error::Crowded => {}
        }
    }

    /// Whether what is new is to be turned away, because the process holds as much memory as it
    /// may. A few are served all the same: what they need is little, and were it not given back by
    /// anybody, a proxy that serves nobody would be of no use.
    #[must_use]
    pub fn is_spent(&self, now: Instant) -> bool {
        let room = self.memory.room(&self.plane.settings.memory, now);
        let is_spent = room == Room::Spent && self.gauge.in_flight() > ALWAYS_SERVED;
        if is_spent {
            self.count(Event::MemorySpent);
            self.relieve(&"the process holds as much memory as it may", now);
        }
        is_spent
    }

    /// Whether nothing is to be kept that only might be of use.
    #[must_use]
    pub fn is_short_of_memory(&self, now: Instant) -> bool {
        self.memory.room(&self.plane.settings.memory, now) != Room::Ample
    }

    fn relieve(&self, why: &dyn std::fmt::Display, now: Instant) {
        let Relief { tell, free } = self.shortage.met(now);
        if tell {
            warn!(error = %why, "there is no room for another connection");
        }
        if free {
            self.directory.close_idle(now);
        }
    }

    /// A recorder for exchanges that `path` describes.
    #[must_use]
    pub fn recorder(&self, path: PathLabels) -> Shared {
        Rc::new(Recorder::new(Arc::clone(&self.shard), Arc::new(path)))
    }

    /// Asks for `key` while others go on; when there is an answer, the generation changes and tells
    /// them. Beyond a bound nobody asks: what is asked for here are names for labels, which may
    /// come later.
    pub fn look_up_in_background(self: &Rc<Self>, key: Key) {
        let room = self.asking.borrow().len() < ASKING;
        if room && self.asking.borrow_mut().insert(key.clone()) {
            let worker = Rc::clone(self);
            tokio::task::spawn_local(async move {
                drop(worker.plane.discovery.look_up(key.clone()).await);
                worker.asking.borrow_mut().remove(&key);
            });
        }
    }

    /// Closes and forgets what was idle for too long, every few seconds, for as long as the worker
    /// lives.
    pub async fn keep_tidy(worker: Weak<Self>) {
        let mut ticks = tokio::time::interval(TIDY);
        while let Some(worker) = worker.upgrade() {
            worker.tidy(Instant::now());
            drop(worker);
            ticks.tick().await;
        }
    }

    fn tidy(&self, now: Instant) {
        self.directory.sweep(self, now);
        if now - self.forgot_at.get() >= FORGET_AFTER {
            self.shard.forget_unused();
            self.forgot_at.set(now);
        }
    }
}

/// How much may be in flight on a worker whatever the memory: together less than a connection may
/// hold.
const ALWAYS_SERVED: usize = 16;
/// How often a worker tidies up.
const TIDY: Duration = Duration::from_secs(5);
/// How many names a worker asks for at a time.
const ASKING: usize = 64;
/// Of how many places it is remembered who speaks first.
const HABITS: usize = 1024;
