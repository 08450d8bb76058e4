//! What is held, published as snapshots: one task replaces the map, any number of threads read it
//! without a lock.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use model::{inbound::MtlsMode, key::Key, resource::Resource};
use tokio::{sync::watch, time::Instant};

use super::Answer;

/// The published answers.
#[derive(Debug)]
pub(super) struct Store {
    held: ArcSwap<HashMap<Key, Arc<Held>>>,
    generation: watch::Sender<u64>,
    /// Whether none but peers of the mesh may come in: apart from the generation, since every plain
    /// connection waits for it, and all else changes often.
    strict: watch::Sender<bool>,
    /// A coarse clock that the writing task advances: readers note it instead of the time.
    tick: AtomicU64,
    /// When the last stream to control was lost.
    lost_at: watch::Sender<Option<Instant>>,
}

/// An answer and when it was last used.
#[derive(Debug)]
pub(super) struct Held {
    answer: Answer,
    used_at: AtomicU64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            held: ArcSwap::default(),
            generation: watch::Sender::new(0),
            strict: watch::Sender::new(false),
            tick: AtomicU64::new(0),
            lost_at: watch::Sender::new(None),
        }
    }

    /// Notes that the stream to control was lost now.
    pub(super) fn lose_stream(&self) {
        self.lost_at.send_replace(Some(Instant::now()));
    }

    /// When the last stream to control was lost, if one ever was.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        *self.lost_at.borrow()
    }

    pub(super) fn current(&self, key: &Key) -> Option<Answer> {
        self.held.load().get(key).map(|held| held.answer.clone())
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    pub(super) fn strict(&self) -> watch::Receiver<bool> {
        self.strict.subscribe()
    }

    /// Notes that `key` is in use. Writes at most once a tick, so that workers do not fight for a
    /// cache line.
    pub(super) fn touch(&self, key: &Key) {
        if let Some(held) = self.held.load().get(key) {
            held.touch(self.tick.load(Ordering::Relaxed));
        }
    }

    /// The tick in which `key` was last used.
    pub(super) fn used_at(&self, key: &Key) -> Option<u64> {
        self.held.load().get(key).map(|held| held.used_at.load(Ordering::Relaxed))
    }

    /// Advances the coarse clock and says what it shows.
    pub(super) fn advance(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Replaces the answers under some keys (nothing: the key is held no more), all at once. Only
    /// the writing task calls this.
    pub(super) fn apply(&self, changes: impl IntoIterator<Item = (Key, Option<Answer>)>) {
        let mut held = HashMap::clone(&self.held.load());
        for (key, answer) in changes {
            match answer {
                Some(answer) => held.insert(key, self.fresh(answer)),
                None => held.remove(&key),
            };
        }
        self.held.store(Arc::new(held));
        self.generation.send_modify(|generation| *generation += 1);
        let now = self.current(&Key::Inbound).is_some_and(|answer| is_strict(&answer));
        self.strict.send_if_modified(|strict| std::mem::replace(strict, now) != now);
    }

    fn fresh(&self, answer: Answer) -> Arc<Held> {
        let used_at = AtomicU64::new(self.tick.load(Ordering::Relaxed));
        Arc::new(Held { answer, used_at })
    }
}

impl Held {
    fn touch(&self, tick: u64) {
        if self.used_at.load(Ordering::Relaxed) != tick {
            self.used_at.store(tick, Ordering::Relaxed);
        }
    }
}

fn is_strict(answer: &Answer) -> bool {
    match answer {
        Answer::Found(Resource::Inbound(inbound)) => inbound.mtls == MtlsMode::Strict,
        Answer::Found(_) | Answer::Absent | Answer::Unavailable => false,
    }
}
