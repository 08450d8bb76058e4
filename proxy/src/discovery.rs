//! What the control plane says, as the data plane reads it: never waiting for what is held, bounded for what is
//! not. One task writes; every worker reads snapshots.
//!
//! What is held is served for as long as the control plane is away. A negative answer is an answer, and is
//! replaced by a push when the thing is created.

use std::{sync::Arc, time::Duration};

use model::{key::Key, resource::Resource};
use tokio::sync::{mpsc, oneshot, watch};

use self::store::Store;

mod for_tests;
mod store;

pub use self::for_tests::TestFeed;

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
    demand: mpsc::Sender<Demand>,
}

/// A key that is not held yet, and who waits for it.
#[derive(Debug)]
struct Demand {
    key: Key,
    answer: oneshot::Sender<Answer>,
}

impl Discovery {
    /// What is held under `key` now; nothing if it was never asked for or never answered.
    ///
    /// A service is held only once the endpoints it names are, so a route never leads where nothing is known.
    #[must_use]
    pub fn current(&self, key: &Key) -> Option<Answer> {
        self.store.current(key)
    }

    /// What is held under `key`, after asking for it if need be. All who ask for one key at a time share one
    /// question, and no one waits longer than [`LOOK_UP_LIMIT`].
    ///
    /// Dropping the future loses nothing: the question stands, and its answer is kept.
    pub async fn look_up(&self, key: Key) -> Answer {
        let key = key.canonical();
        if let Some(answer) = self.current(&key) {
            return answer;
        }
        let asked = async {
            let (answer, answered) = oneshot::channel();
            self.demand.send(Demand { key, answer }).await.ok()?;
            answered.await.ok()
        };
        let in_time = tokio::time::timeout(LOOK_UP_LIMIT, asked).await;
        in_time.ok().flatten().unwrap_or(Answer::Unavailable)
    }

    /// Says that `key` is in use. Keys that nobody uses for minutes are dropped, though never while the
    /// control plane is away.
    pub fn touch(&self, key: &Key) {
        self.store.touch(key);
    }

    /// The generation of what is held: it rises with every change that was applied. Who keeps something
    /// derived from an answer compares generations before using it; that is what makes a version that the
    /// store holds one that every worker uses.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.store.changed()
    }

    /// A handle over `resources` alone, with no control plane, and the hand that changes them.
    #[must_use]
    pub fn for_tests(resources: impl IntoIterator<Item = (Key, Resource)>) -> (Self, TestFeed) {
        for_tests::discovery(resources)
    }
}

/// How long a look-up waits for the control plane.
pub const LOOK_UP_LIMIT: Duration = Duration::from_secs(1);

/// Questions that may stand before those who ask wait for room.
const DEMANDS: usize = 1024;
