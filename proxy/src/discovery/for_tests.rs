//! A discovery with no control plane behind it, for tests of whatever reads from one.

use std::sync::Arc;

use model::{key::Key, resource::Resource};
use tokio::sync::mpsc;

use super::{Answer, COMMANDS, Command, Discovery, store::Store};

/// The hand that changes what a test's [`Discovery`] holds. Look-ups of what it does not hold stay
/// unanswered until their limit if it is gone or [`TestFeed::answer_next`] is not called.
#[derive(Debug)]
pub struct TestFeed {
    store: Arc<Store>,
    commands: mpsc::Receiver<Command>,
}

impl TestFeed {
    /// Puts `resource` under `key`, as a push does.
    pub fn push(&self, key: Key, resource: Resource) {
        self.store.apply([(key.canonical(), Some(Answer::Found(resource)))]);
    }

    /// Says that there is nothing under `key`.
    pub fn absent(&self, key: Key) {
        self.store.apply([(key.canonical(), Some(Answer::Absent))]);
    }

    /// Forgets `key`, as if it had never been asked for.
    pub fn forget(&self, key: Key) {
        self.store.apply([(key.canonical(), None)]);
    }

    /// Loses the stream to the control plane, as when its replica stops.
    pub fn lose_stream(&self) {
        self.store.lose_stream();
    }

    /// Waits for the next look-up of something not held and answers it; says for which key.
    pub async fn answer_next(&mut self, answer: Answer) -> Option<Key> {
        let (key, waiting) = loop {
            match self.commands.recv().await? {
                Command::LookUp { key, answer } => break (key, answer),
                Command::Show(lines) => drop(lines),
            }
        };
        if answer != Answer::Unavailable {
            self.store.apply([(key.clone(), Some(answer.clone()))]);
        }
        // Whoever asked may have given up; the answer is held either way.
        drop(waiting.send(answer));
        Some(key)
    }

    /// Answers every look-up of something not held with what `known` says there is, and holds all
    /// of that from then on, for as long as anyone asks.
    pub async fn answer_each(mut self, known: impl Fn(&Key) -> Vec<(Key, Resource)>) {
        while let Some(command) = self.commands.recv().await {
            let Command::LookUp { key, answer } = command else { continue };
            let found = known(&key).into_iter();
            let found = found.map(|(key, it)| (key.canonical(), Some(Answer::Found(it))));
            self.store.apply([(key.clone(), Some(Answer::Absent))].into_iter().chain(found));
            // Whoever asked may have given up; the answer is held either way.
            drop(self.store.current(&key).map(|held| answer.send(held)));
        }
    }

    /// Answers every look-up of something not held with [`Answer::Absent`], for as long as anyone
    /// asks.
    pub async fn answer_absent(mut self) {
        while self.answer_next(Answer::Absent).await.is_some() {}
    }
}

pub(super) fn discovery(
    resources: impl IntoIterator<Item = (Key, Resource)>,
) -> (Discovery, TestFeed) {
    let store = Arc::new(Store::new());
    let found = |(key, resource): (Key, _)| (key.canonical(), Some(Answer::Found(resource)));
    store.apply(resources.into_iter().map(found));
    let (commands, obeyed) = mpsc::channel(COMMANDS);
    (Discovery { store: store.clone(), commands }, TestFeed { store, commands: obeyed })
}
