//! The registry: what this replica knows of every proxy connected to it, for operators that watch.
//!
//! One task writes. Sessions tell it of their proxies; each operator's stream starts with all of it
//! and follows. A stream that is too slow is cut, and starts anew.

mod book;

use std::{sync::Arc, time::Duration};

use runtime::tasks::Tasks;
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use wire::message::{FromReplica, Hello, Leaf, Rows};

use crate::session::ledger::Summary;
use book::Book;

/// A way to the registry.
#[derive(Clone, Debug)]
pub struct Registry {
    events: mpsc::Sender<Event>,
}

/// A session's place in the registry.
#[derive(Debug)]
pub struct Proxy {
    id: u64,
    epoch: u64,
    replaced: CancellationToken,
    events: mpsc::Sender<Event>,
}

/// How a proxy stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it was told and uses.
    pub books: Summary,
    /// Its leaf.
    pub leaf: Option<Leaf>,
}

/// Everything known, and how to follow it.
#[derive(Debug)]
pub struct Attached {
    /// What is known.
    pub known: Vec<Arc<FromReplica>>,
    /// What comes after it.
    pub news: broadcast::Receiver<Arc<FromReplica>>,
}

#[derive(Debug)]
enum Event {
    Opened { hello: Box<Hello>, replaced: CancellationToken, id: oneshot::Sender<u64> },
    Stands { id: u64, standing: Box<Standing> },
    Heard { id: u64, rows: Option<Rows> },
    Closed { id: u64 },
    Attach(oneshot::Sender<Attached>),
}

impl Registry {
    /// Starts the task that writes.
    #[must_use]
    pub fn start(tasks: &Tasks) -> Self {
        let (events, received) = mpsc::channel(EVENTS);
        tasks.spawn_critical("registry", keep(received, tasks.token()));
        Self { events }
    }

    /// A proxy said hello. An older session of the same pod is told to end.
    pub async fn open(&self, hello: &Hello) -> Proxy {
        let (replaced, (id, opened)) = (CancellationToken::new(), oneshot::channel());
        let hello_box = Box::new(hello.clone());
        let event = Event::Opened { hello: hello_box, replaced: replaced.clone(), id };
        tell(&self.events, event).await;
        // Without a registry the process is about to end, and nothing is kept under the number.
        let id = opened.await.unwrap_or(0);
        Proxy { id, epoch: hello.epoch, replaced, events: self.events.clone() }
    }

    /// Everything known, and how to follow it; nothing if the process is about to end.
    pub async fn attach(&self) -> Option<Attached> {
        let (answer, attached) = oneshot::channel();
        tell(&self.events, Event::Attach(answer)).await;
        attached.await.ok()
    }
}

impl Proxy {
    /// When the process of the proxy began.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Fires when a newer session of the same pod is open.
    pub async fn replaced(&self) {
        self.replaced.cancelled().await;
    }

    /// The proxy was heard, and maybe counted something.
    pub async fn heard(&self, rows: Option<Rows>) {
        tell(&self.events, Event::Heard { id: self.id, rows }).await;
    }

    /// The proxy stands like this now.
    pub async fn stands(&self, standing: Standing) {
        let standing = Box::new(standing);
        tell(&self.events, Event::Stands { id: self.id, standing }).await;
    }

    /// The session is over.
    pub async fn close(self) {
        tell(&self.events, Event::Closed { id: self.id }).await;
    }
}

/// Waits for room. Without a registry the process is about to end, and there is nothing to tell.
async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    if let Ok(room) = events.reserve().await {
        room.send(event);
    }
}

async fn keep(mut events: mpsc::Receiver<Event>, stop: CancellationToken) {
    let (news, _) = broadcast::channel(NEWS);
    let mut book = Book::default();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let said = tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => book.take(event, &news),
                None => return,
            },
            _ = tick.tick() => book.repeat(Instant::now()),
            // Sessions close their books on the way out; what comes after them is not waited for.
            () = stop.cancelled(), if book.is_empty() => return,
        };
        for message in said {
            // Nobody listening is no error: whoever comes later starts with everything.
            drop(news.send(Arc::new(message)));
        }
    }
}

/// Events that wait for the registry.
const EVENTS: usize = 1024;

/// Messages that an operator's stream may be behind before it is cut.
const NEWS: usize = 32_768;

/// How often the registry looks for what is to be told again.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
