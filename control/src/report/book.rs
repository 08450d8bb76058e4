//! The registry's book: every proxy by its pod, and what operators are told when something changes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;
use wire::message::{FromReplica, Hello, ProxyState, Rows};

use super::{Attached, Event, Standing};

#[derive(Debug, Default)]
pub(super) struct Book {
    pods: BTreeMap<Arc<str>, Entry>,
    sessions: BTreeMap<u64, Arc<str>>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    session: u64,
    state: ProxyState,
    rows: Option<Rows>,
    heard: Instant,
    told: Instant,
    /// What operators know may be that nothing was heard for long.
    laggard: bool,
    replaced: CancellationToken,
}

impl Book {
    pub(super) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// What follows from an event.
    pub(super) fn take(
        &mut self,
        event: Event,
        news: &broadcast::Sender<Arc<FromReplica>>,
    ) -> Vec<FromReplica> {
        match event {
            Event::Opened { hello, replaced, id } => {
                let (session, said) = self.open(&hello, replaced);
                // Whoever asked is gone already, and its session closes without a word.
                if id.send(session).is_err() {
                    return std::iter::once(said).chain(self.close(session)).collect();
                }
                vec![said]
            }
            Event::Stands { id, standing } => self.stands(id, *standing),
            Event::Heard { id, rows } => self.heard(id, rows),
            Event::Closed { id } => self.close(id),
            Event::Attach(answer) => {
                // Whoever asked may be gone already, which harms nobody.
                drop(answer.send(Attached { known: self.known(), news: news.subscribe() }));
                Vec::new()
            }
        }
    }

    fn open(&mut self, hello: &Hello, replaced: CancellationToken) -> (u64, FromReplica) {
        self.last += 1;
        let (session, pod) = (self.last, Arc::clone(&hello.pod_uid));
        let state = state_of(hello);
        let now = Instant::now();
        let entry = Entry {
            session,
            state: state.clone(),
            rows: None,
            heard: now,
            told: now,
            laggard: false,
            replaced,
        };
        if let Some(older) = self.pods.insert(Arc::clone(&pod), entry) {
            self.sessions.remove(&older.session);
            older.replaced.cancel();
        }
        self.sessions.insert(session, pod);
        (session, FromReplica::Proxy(state))
    }

    /// The entry of a session, unless a newer one of the same pod took its place.
    fn entry(&mut self, session: u64) -> Option<&mut Entry> {
        let pod = self.sessions.get(&session)?;
        self.pods.get_mut(pod)
    }

    fn stands(&mut self, id: u64, Standing { books, leaf }: Standing) -> Vec<FromReplica> {
        let Some(entry) = self.entry(id) else { return Vec::new() };
        let next = ProxyState {
            subscribed: books.subscribed,
            acked: books.acked,
            stale_keys: books.stale.iter().map(|key| key.to_string().into()).collect(),
            trust: books.trust,
            leaf,
            decisions: books.decisions,
            ..entry.state.clone()
        };
        if next == entry.state {
            return Vec::new();
        }
        entry.state = next;
        vec![entry.tell(Instant::now())]
    }

    fn heard(&mut self, id: u64, rows: Option<Rows>) -> Vec<FromReplica> {
        let Some(entry) = self.entry(id) else { return Vec::new() };
        entry.heard = Instant::now();
        let mut said = Vec::new();
        if entry.laggard {
            said.push(entry.tell(entry.heard));
        }
        if let Some(rows) = rows {
            entry.rows = Some(rows.clone());
            said.push(FromReplica::Rows(rows));
        }
        said
    }

    fn close(&mut self, id: u64) -> Vec<FromReplica> {
        let Some(pod) = self.sessions.remove(&id) else { return Vec::new() };
        self.pods.remove(&pod);
        vec![FromReplica::Gone(pod)]
    }

    /// Every proxy is told of now and then, changed or not, so that operators can tell one that is
    /// quiet from one that is not heard of.
    pub(super) fn repeat(&mut self, now: Instant) -> Vec<FromReplica> {
        let due = |entry: &&mut Entry| now.duration_since(entry.told) >= REPEAT;
        self.pods.values_mut().filter(due).map(|entry| entry.tell(now)).collect()
    }

    fn known(&self) -> Vec<Arc<FromReplica>> {
        let now = Instant::now();
        let tell = |entry: &Entry| {
            let rows = entry.rows.clone().map(FromReplica::Rows);
            [Some(FromReplica::Proxy(entry.state_at(now))), rows].into_iter().flatten()
        };
        self.pods.values().flat_map(tell).map(Arc::new).collect()
    }
}

impl Entry {
    fn state_at(&self, now: Instant) -> ProxyState {
        ProxyState { silent: now.duration_since(self.heard), ..self.state.clone() }
    }

    fn tell(&mut self, now: Instant) -> FromReplica {
        let state = self.state_at(now);
        self.told = now;
        self.laggard = state.silent >= LAGGARD;
        FromReplica::Proxy(state)
    }
}

fn state_of(hello: &Hello) -> ProxyState {
    ProxyState {
        pod_uid: Arc::clone(&hello.pod_uid),
        pod_name: Arc::clone(&hello.pod_name),
        namespace: Arc::clone(&hello.namespace),
        version: Arc::clone(&hello.version),
        epoch: hello.epoch,
        silent: Duration::ZERO,
        subscribed: 0,
        acked: 0,
        stale_keys: Vec::new(),
        trust: None,
        leaf: None,
        decisions: Vec::new(),
    }
}

/// A proxy that was not heard of for this long is a laggard.
const LAGGARD: Duration = Duration::from_secs(5);

/// What is known of a proxy is told again after this long.
const REPEAT: Duration = Duration::from_secs(2);
