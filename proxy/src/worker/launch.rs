//! Starts the workers and stops them. Each accepts, so that connections wait for none that is busy.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
};

use rand::random;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinSet, LocalSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Listener, Plane, Worker};
use crate::accept::{self, Accepted, Desk, Dispatch, Side};

/// All workers, running.
#[derive(Debug)]
pub struct Workers {
    /// Where the pod's own connections come in.
    pub outbound: Vec<SocketAddr>,
    /// Where connections from elsewhere come in.
    pub inbound: Vec<SocketAddr>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<io::Result<()>>>,
    ended: CancellationToken,
}

/// Why the data plane does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is no thread to be had, or no descriptor for what it needs.
    #[error("failed to start a worker")]
    Spawn(#[source] io::Error),
    /// A worker ended with an error, or by a panic.
    #[error("a worker has ended")]
    Ended(#[source] Option<io::Error>),
}

impl Workers {
    /// Listens, and starts all workers.
    ///
    /// # Errors
    /// If an address is taken or a thread cannot be had.
    pub fn start(plane: &Arc<Plane>) -> Result<Self, Error> {
        let outbound = listen(&plane.settings.outbound)?;
        let inbound = listen(&plane.settings.inbound)?;
        let addresses =
            |all: &[StdListener]| all.iter().filter_map(|one| one.local_addr().ok()).collect();
        let (outbound_at, inbound_at) = (addresses(&outbound), addresses(&inbound));
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let count = plane.settings.workers.max(1);
        let (desks, queues): (Vec<_>, Vec<_>) = (0..count).map(|_| Desk::new()).unzip();
        let dispatch = Arc::new(Dispatch::new(desks, plane.settings.connections));
        let mut threads = Vec::new();
        for (index, queue) in queues.into_iter().enumerate() {
            let (plane, dispatch, stop) = (Arc::clone(plane), Arc::clone(&dispatch), stop.clone());
            let listeners = (share(&outbound)?, share(&inbound)?);
            let part = Part { index, plane, dispatch, queue, listeners };
            let guard = ended.clone().drop_guard();
            let name = format!("worker-{index}");
            let run = move || {
                let ended = part.run(&stop);
                drop(guard);
                ended
            };
            threads.push(std::thread::Builder::new().name(name).spawn(run).map_err(Error::Spawn)?);
        }
        info!(workers = count, ?outbound_at, ?inbound_at, "data plane started");
        Ok(Self { outbound: outbound_at, inbound: inbound_at, stop, threads, ended })
    }

    /// Fires when a worker has ended, which none does by itself unless something is broken.
    #[must_use]
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops all workers: what is still under way is cut. Blocks until their threads have ended.
    ///
    /// # Errors
    /// If one had ended before, or panicked.
    pub fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        for thread in self.threads {
            match thread.join() {
                Ok(ended) => ended.map_err(|error| Error::Ended(Some(error)))?,
                Err(_panic) => return Err(Error::Ended(None)),
            }
        }
        Ok(())
    }
}

/// What one thread is given.
struct Part {
    index: usize,
    plane: Arc<Plane>,
    dispatch: Arc<Dispatch>,
    queue: mpsc::Receiver<Accepted>,
    listeners: (Vec<StdListener>, Vec<StdListener>),
}

impl Part {
    fn run(self, stop: &CancellationToken) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let stopped = stop.cancelled();
            tokio::select! {
                biased;
                () = stopped => Ok(()),
                ended = self.work() => ended,
            }
        })
    }

    async fn work(self) -> io::Result<()> {
        let Self { index, plane, dispatch, mut queue, listeners } = self;
        let worker = Worker::new(plane, random());
        let mut tasks = JoinSet::new();
        tasks.spawn_local(Worker::keep_tidy(Rc::downgrade(&worker)));
        tasks.spawn_local(Worker::follow_mesh(Rc::downgrade(&worker)));
        let (outbound, inbound) = listeners;
        let sides = [(Side::Outbound, outbound), (Side::Inbound, inbound)];
        for (side, listeners) in sides {
            for listener in listeners {
                let listener = TcpListener::from_std(listener)?;
                let (worker, dispatch) = (Rc::clone(&worker), Arc::clone(&dispatch));
                tasks.spawn_local(accept::run(listener, side, index, worker, dispatch));
            }
        }
        loop {
            tokio::select! {
                // None of them ends unless it panics; without it the worker is of no use.
                Some(ended) = tasks.join_next() => return ended.map_err(io::Error::other),
                Some(accepted) = queue.recv() => accepted.serve(&worker),
                else => return Ok(()),
            }
        }
    }
}

fn listen(listener: &Listener) -> Result<Vec<StdListener>, Error> {
    let mut bound = Vec::new();
    for address in &listener.addresses {
        match bind(*address) {
            Ok(socket) => bound.push(socket),
            // A pod without IPv6 has nothing there that could be led to us.
            Err(error) if address.is_ipv6() && !bound.is_empty() => {
                warn!(%address, %error, "not listening on IPv6");
            }
            Err(source) => return Err(Error::Listen { address: *address, source }),
        }
    }
    Ok(bound)
}

/// The same listeners for one more worker.
fn share(listeners: &[StdListener]) -> Result<Vec<StdListener>, Error> {
    listeners.iter().map(|listener| listener.try_clone().map_err(Error::Spawn)).collect()
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that may wait to be accepted; the kernel cuts it to its own bound.
const BACKLOG: i32 = 4096;
