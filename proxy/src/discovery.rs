//! What the control plane says, as the data plane reads it: never waiting for what is held, bounded
//! for what is not. One task writes; every worker reads snapshots.
//!
//! What is held is served for as long as the control plane is away. A negative answer is an answer,
//! and is replaced by a push when the thing is created.

use std::{pin::pin, sync::Arc, time::Duration};

use model::{key::Key, resource::Resource};
use runtime::{readiness::Readiness, telemetry};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use self::{metrics::Metrics, store::Store};

mod client;
mod for_tests;
mod metrics;
mod session;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    client::{Client, Proxy},
    for_tests::TestFeed,
    table::Line,
};

/// What is known under a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// This is there.
    Found(Resource),
    /// The control plane knows of nothing there.
    Absent,
    /// The control plane did not say in time.
    Unavailable,
}

/// A handle on what is held, shared by all workers.
#[derive(Clone, Debug)]
pub struct Discovery {
    store: Arc<Store>,
    commands: mpsc::Sender<Command>,
}

/// What the writing task is asked to do.
#[derive(Debug)]
enum Command {
    /// Find out what is under a key that is not held yet.
    LookUp { key: Key, answer: oneshot::Sender<Answer> },
    /// Say what is subscribed to.
    Show(oneshot::Sender<Vec<Line>>),
}

impl Discovery {
    /// A handle that holds nothing yet, and the task that keeps it current. The process is not
    /// ready before the proxy's own policy and the roots are held.
    #[must_use]
    pub fn new(
        proxy: Proxy,
        readiness: &Readiness,
        metrics: &telemetry::Metrics,
    ) -> (Self, Client) {
        let store = Arc::new(Store::new());
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        let own = Metrics::default();
        own.register(metrics);
        let awaited = vec![
            (Key::Inbound, readiness.token("inbound policy")),
            (Key::Trust, readiness.token("trust bundle")),
        ];
        let client = Client::new(proxy, Arc::clone(&store), obeyed, own, awaited);
        (Self { store, commands }, client)
    }

    /// What is held under `key` now; nothing if it was never asked for or never answered.
    ///
    /// A service is held only once the endpoints it names are, so a route never leads where nothing
    /// is known.
    #[must_use]
    pub fn current(&self, key: &Key) -> Option<Answer> {
        self.store.current(key)
    }

    /// What is held under `key`, after asking for it if need be. All who ask for one key at a time
    /// share one question, and no one waits longer than [`LOOK_UP_LIMIT`], or until
    /// [`CHANGE_LIMIT`] after the stream to the control plane was lost: another replica is most
    /// likely about to answer.
    ///
    /// Dropping the future loses nothing: the question stands, and its answer is kept.
    pub async fn look_up(&self, key: Key) -> Answer {
        let key = key.canonical();
        if let Some(answer) = self.current(&key) {
            return answer;
        }
        let asked = async {
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::LookUp { key, answer }).await.ok()?;
            answered.await.ok()
        };
        let begun = Instant::now();
        let mut asked = pin!(asked);
        loop {
            let limit = self.limit(begun);
            match timeout_at(limit, asked.as_mut()).await {
                Ok(answer) => return answer.unwrap_or(Answer::Unavailable),
                // The stream may have been lost while this waited.
                Err(_) if self.limit(begun) > limit => {}
                Err(_) => return Answer::Unavailable,
            }
        }
    }

    /// How long a look-up that began at `begun` waits, as far as is known now.
    fn limit(&self, begun: Instant) -> Instant {
        let limit = begun + LOOK_UP_LIMIT;
        self.store.lost_at().map_or(limit, |lost_at| limit.max(lost_at + CHANGE_LIMIT))
    }

    /// Says that `key` is in use. Keys that nobody uses for minutes are dropped, though never while
    /// the control plane is away.
    pub fn touch(&self, key: &Key) {
        self.store.touch(key);
    }

    /// The generation of what is held: it rises with every change that was applied. Who keeps
    /// something derived from an answer compares generations before using it; that is what makes a
    /// version that the store holds one that every worker uses.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.store.changed()
    }

    /// Whether the workload takes none but peers of the mesh. It changes with the mode alone, so
    /// that any number of connections may wait for it.
    #[must_use]
    pub fn strict(&self) -> watch::Receiver<bool> {
        self.store.strict()
    }

    /// Every subscription, for people; nothing if the task that knows is gone.
    pub async fn show(&self) -> Vec<Line> {
        let (lines, shown) = oneshot::channel();
        if self.commands.send(Command::Show(lines)).await.is_err() {
            return Vec::new();
        }
        shown.await.unwrap_or_default()
    }

    /// A handle over `resources` alone, with no control plane, and the hand that changes them.
    #[must_use]
    pub fn for_tests(resources: impl IntoIterator<Item = (Key, Resource)>) -> (Self, TestFeed) {
        for_tests::discovery(resources)
    }
}

/// How long a look-up waits for the control plane.
pub const LOOK_UP_LIMIT: Duration = Duration::from_secs(1);
/// How long after a stream was lost look-ups wait for the next: many times what changing to another
/// replica takes, and less than clients give a connection.
pub const CHANGE_LIMIT: Duration = Duration::from_secs(4);

/// Questions that may stand before those who ask wait for room.
const COMMANDS: usize = 1024;
