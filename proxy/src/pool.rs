//! Endpoints as one worker knows them: how each is reached, how it is doing, and the connections to
//! it that are kept for the next request.

mod age;
pub mod connect;
mod http1;
mod http2;
mod places;
mod unheard;

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use model::identity::SpiffeId;
use tokio::time::Instant;

pub use self::{
    http1::{Http1Connection, Http1Pool, begin as begin_http1},
    http2::{Http2Lease, Http2Pool},
    places::{Place, Places},
};
use crate::balance::Load;

/// One address that requests are sent to.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
    /// How it is doing.
    pub load: Load,
    /// How long one attempt to connect may take.
    pub connect_limit: Cell<Duration>,
    /// Kept connections of HTTP/1.1.
    pub http1: Http1Pool,
    /// Kept connections of HTTP/2.
    pub http2: Http2Pool,
    /// Places for requests of HTTP/1.
    pub places: Places,
    used: Cell<bool>,
}

/// How an endpoint is reached.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Transport {
    /// Through its own proxy, which must prove that it is this workload.
    Mesh(SpiffeId),
    /// As it is.
    Plain,
    /// It is the pod's own application.
    Application,
}

/// Counts a request in for as long as it is under way.
#[derive(Debug)]
pub struct Busy(Rc<Endpoint>);

impl Endpoint {
    /// An endpoint nobody has used yet.
    #[must_use]
    pub fn new(address: SocketAddr, transport: Transport) -> Self {
        Self {
            address,
            transport,
            load: Load::new(Instant::now()),
            connect_limit: Cell::new(CONNECT_LIMIT),
            http1: Http1Pool::default(),
            http2: Http2Pool::default(),
            places: Places::new(PLACES),
            used: Cell::new(true),
        }
    }

    /// What a request sent here would cost, to compare with others. One whose first connection is
    /// still being opened may never have one: others go before it.
    #[must_use]
    pub fn cost(&self, now: Instant) -> f64 {
        let opening = if self.http2.is_opening() { OPENING } else { 1.0 };
        self.load.cost(now) * opening
    }

    /// Counts a request in until the result is dropped.
    #[must_use]
    pub fn enter(self: &Rc<Self>) -> Busy {
        self.load.enter();
        self.used.set(true);
        Busy(Rc::clone(self))
    }

    /// Closes connections that nobody uses now.
    pub fn close_idle(&self, now: Instant) {
        self.http1.sweep(now, Duration::ZERO);
        self.http2.sweep(now, Duration::ZERO);
    }

    /// Closes connections that were idle for too long; says whether anything happened since the
    /// last call.
    pub fn sweep(&self, now: Instant) -> bool {
        let idle_limit = match self.transport {
            Transport::Mesh(_) => MESH_IDLE,
            Transport::Plain | Transport::Application => PLAIN_IDLE,
        };
        self.http1.sweep(now, idle_limit);
        self.http2.sweep(now, idle_limit);
        self.used.replace(false) || self.load.in_flight() > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.load.leave();
    }
}

/// How much worse an endpoint is while nobody knows whether it can be reached.
const OPENING: f64 = 20.0;
/// How many requests of HTTP/1 may be under way to one endpoint: as many as a pod may have
/// connections, for each of them may be a stream that does not end.
const PLACES: usize = 10_000;
/// Where nobody said otherwise.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// An idle connection with TLS costs tens of kilobytes on either side, and is made again in a round
/// trip.
const MESH_IDLE: Duration = Duration::from_secs(60);
/// Many servers close idle connections after 60 or 75 seconds; whoever is earlier never meets that
/// race.
const PLAIN_IDLE: Duration = Duration::from_secs(50);
