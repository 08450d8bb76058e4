//! Accepts connections, on every worker that is free to, and hands each to the worker that has the
//! fewest.

use std::{
    net::TcpStream as StdStream,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout},
};
use tracing::warn;

use crate::{
    inbound,
    metrics::Event,
    outbound,
    tcp::{
        self,
        stream::{Prefixed, Stream},
    },
    worker::Worker,
};

/// Which way a connection goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// From the pod to elsewhere.
    Outbound,
    /// From elsewhere to the pod.
    Inbound,
}

/// Where a worker's connections are put, and how many it has.
#[derive(Debug)]
pub struct Desk {
    queue: mpsc::Sender<Accepted>,
    open: Arc<AtomicUsize>,
}

/// All workers' desks, and how many connections there may be either way: the pod's own never take
/// the places of those from elsewhere, nor the other way round.
#[derive(Debug)]
pub struct Dispatch {
    desks: Vec<Desk>,
    outbound: Arc<Semaphore>,
    inbound: Arc<Semaphore>,
}

/// A connection on its way to its worker.
#[derive(Debug)]
pub struct Accepted {
    side: Side,
    stream: StdStream,
    place: Place,
}

/// A connection's place among those that may be open, until it is dropped.
#[derive(Debug)]
struct Place {
    open: Arc<AtomicUsize>,
    _room: OwnedSemaphorePermit,
}

impl Desk {
    /// A desk, and the queue that its worker reads.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Accepted>) {
        let (queue, accepted) = mpsc::channel(QUEUE);
        (Self { queue, open: Arc::default() }, accepted)
    }

    fn has_taken_all(&self) -> bool {
        self.queue.capacity() == self.queue.max_capacity()
    }
}

impl Dispatch {
    /// Desks for at most `connections` at a time, either way.
    #[must_use]
    pub fn new(desks: Vec<Desk>, connections: usize) -> Self {
        let room = || Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Self { desks, outbound: room(), inbound: room() }
    }

    const fn room(&self, side: Side) -> &Arc<Semaphore> {
        match side {
            Side::Outbound => &self.outbound,
            Side::Inbound => &self.inbound,
        }
    }

    /// The desk with the fewest connections, and its number. The worker at `own` is at work, since
    /// it asks; another that has not yet taken what it was given may be busy for long, and nothing
    /// is left to wait for it.
    fn choose(&self, own: usize) -> Option<(usize, &Desk)> {
        let desks = self.desks.iter().enumerate();
        let awake = desks.filter(|(index, desk)| *index == own || desk.has_taken_all());
        awake.min_by_key(|(index, desk)| (desk.open.load(Ordering::Relaxed), *index != own))
    }
}

impl Place {
    fn take(desk: &Desk, room: OwnedSemaphorePermit) -> Self {
        desk.open.fetch_add(1, Ordering::Relaxed);
        Self { open: Arc::clone(&desk.open), _room: room }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Accepted {
    /// Serves the connection on this worker.
    pub fn serve(self, worker: &Rc<Worker>) {
        let Self { side, stream, place } = self;
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(side, stream, place, worker),
            Err(error) => warn!(%error, "a connection was lost on its way to its worker"),
        }
    }
}

/// Accepts for ever. When all places are taken, the connection at hand waits for one, and the
/// kernel's queue holds what comes after it.
pub async fn run(
    listener: TcpListener,
    side: Side,
    index: usize,
    worker: Rc<Worker>,
    dispatch: Arc<Dispatch>,
) {
    let mut doorkeeper = Doorkeeper { side, told_at: None, is_shedding: false };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others have to close first.
                worker.exhausted(&error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(room) = doorkeeper.admit(dispatch.room(side), &worker).await else {
            Stream::Plain(Prefixed::new(stream)).reset();
            continue;
        };
        let Some((chosen, desk)) = dispatch.choose(index) else { return };
        let place = Place::take(desk, room);
        if chosen == index {
            serve(side, stream, place, &worker);
        } else if let Ok(stream) = stream.into_std() {
            // Its queue had room a moment ago; if not, the client is told at once.
            drop(desk.queue.try_send(Accepted { side, stream, place }));
        }
    }
}

/// Lets connections in, and says so when they have to wait. One that waited in vain is turned away,
/// and so are those behind it, which have waited as long, until there is room again.
struct Doorkeeper {
    side: Side,
    told_at: Option<Instant>,
    is_shedding: bool,
}

impl Doorkeeper {
    /// A place, as soon as there is one; nothing if that takes too long.
    async fn admit(
        &mut self,
        room: &Arc<Semaphore>,
        worker: &Worker,
    ) -> Option<OwnedSemaphorePermit> {
        // What memory is missing for is told by whoever knows that.
        let is_spent = worker.is_spent(Instant::now());
        if !is_spent && let Ok(place) = Arc::clone(room).try_acquire_owned() {
            self.is_shedding = false;
            return Some(place);
        }
        if !is_spent {
            self.tell(worker);
        }
        if !self.is_shedding {
            let place = place_with_memory(room, worker);
            let place = timeout(worker.plane.settings.queue_limit, place).await;
            if let Ok(Some(place)) = place {
                return Some(place);
            }
            self.is_shedding = true;
        }
        worker.count(match self.side {
            Side::Outbound => Event::OutboundShed,
            Side::Inbound => Event::InboundShed,
        });
        None
    }

    fn tell(&mut self, worker: &Worker) {
        worker.count(match self.side {
            Side::Outbound => Event::OutboundFull,
            Side::Inbound => Event::InboundFull,
        });
        let now = Instant::now();
        if self.told_at.is_none_or(|told_at| now - told_at >= TELL_AGAIN) {
            self.told_at = Some(now);
            let (side, open) = (self.side, worker.plane.settings.connections);
            warn!(?side, open, "all places for connections are taken: new ones wait");
        }
    }
}

/// A place, once there is memory for what comes by it, too.
async fn place_with_memory(room: &Arc<Semaphore>, worker: &Worker) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(room).acquire_owned().await.ok();
    while worker.is_spent(Instant::now()) {
        tokio::time::sleep(PAUSE).await;
    }
    place
}

fn serve(side: Side, stream: TcpStream, place: Place, worker: &Rc<Worker>) {
    if tcp::prepare(&stream).is_err() {
        return;
    }
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        match side {
            Side::Outbound => outbound::serve(worker, stream).await,
            Side::Inbound => inbound::serve(worker, stream).await,
        }
        drop(place);
    });
}

/// Connections that may wait for a worker to take them.
const QUEUE: usize = 1024;
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is said that there is no place.
const TELL_AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
