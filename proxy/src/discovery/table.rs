//! What the proxy is subscribed to and what it holds: the rules of the protocol from the proxy's
//! end, with no stream and no clock. Events go in; what to publish, send and answer comes out.
//!
//! The rules: all who ask for a key share one question. A service is used only when all endpoints
//! that it names are held. What is numbered never goes back: it is refused, or used with nothing
//! for the revision on trial if the service could not be reached otherwise. Nothing is forgotten
//! while control is away.

use std::{collections::BTreeMap, time::Duration};

use model::{
    decision::RolloutId,
    key::{Key, Version},
    resource::Resource,
};
use tokio::sync::oneshot;
use wire::{
    invalid::Invalid,
    limit,
    message::{Ack, Held, Nack, Push, ToControl},
};

pub use self::line::Line;
use self::over::Over;
use super::Answer;

mod line;
mod over;
mod room;
#[cfg(test)]
mod tests;

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Key, Entry>,
    over: Over,
    connected: bool,
    /// The coarse clock.
    now: u64,
    effects: Effects,
}

/// What is to be done about the events so far, in this order.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Answers that replace what is published; nothing means that the key is dropped.
    pub(super) publish: Vec<(Key, Option<Answer>)>,
    /// Messages to control.
    pub(super) send: Vec<ToControl>,
    /// Those who waited.
    pub(super) answer: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// One subscription.
#[derive(Debug, Default)]
struct Entry {
    /// What is in use.
    used: Option<Used>,
    /// A service that waits for endpoints.
    staged: Option<Staged>,
    /// Whether a push was refused for its number: control is asked again now and then.
    refused: bool,
    /// Why the last push was not used, until another is.
    objection: Option<String>,
    waiting: Vec<oneshot::Sender<Answer>>,
    asked_at: u64,
    /// When what is used began to be, or the key was first asked for.
    since: u64,
}

/// What a key is answered with.
#[derive(Debug)]
enum Used {
    Found {
        /// Nothing if the resource is held back: that is no version of control's.
        version: Option<Version>,
        resource: Resource,
    },
    Absent,
}

#[derive(Debug)]
struct Staged {
    version: Option<Version>,
    resource: Resource,
}

impl Table {
    pub(super) fn new() -> Self {
        let mut table = Self::default();
        for key in ALWAYS {
            table.entries.insert(key, Entry::default());
        }
        table
    }

    /// What is to be done now.
    pub(super) fn effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// Someone wants to know what is under `key`.
    pub(super) fn look_up(&mut self, key: &Key, waiting: oneshot::Sender<Answer>) {
        if let Some(entry) = self.entries.get_mut(key) {
            match entry.answer() {
                Some(answer) => self.effects.answer.push((waiting, answer)),
                None => entry.wait(waiting),
            }
            return;
        }
        if !self.make_room() {
            self.effects.answer.push((waiting, Answer::Unavailable));
            return;
        }
        self.subscribe(key.clone());
        if let Some(entry) = self.entries.get_mut(key) {
            entry.wait(waiting);
        }
    }

    /// A stream to control is open: it hears of everything that is held and wanted.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        let held: Vec<_> = self.entries.iter().map(|(key, entry)| entry.held(key)).collect();
        for held in held.chunks(limit::KEYS) {
            self.effects.send.push(ToControl::Subscribe(held.to_vec()));
        }
    }

    /// The stream is gone. What is used stays in use; what was about to be used will be pushed
    /// again.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.effects.send.clear();
        for entry in self.entries.values_mut() {
            entry.staged = None;
        }
    }

    /// Control says what is under a key.
    pub(super) fn pushed(&mut self, push: Push) {
        let Push { key, version, decision: _, body: resource } = push;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.version() == Some(version) {
            (entry.staged, entry.refused, entry.objection) = (None, false, None);
            let decision = resource.decision();
            self.effects.send.push(ToControl::Ack(Ack { key, version, decision }));
            return;
        }
        let objection = entry.goes_back(&resource).or_else(|| self.over.objection(&resource));
        entry.staged = Some(match objection {
            None => Staged { version: Some(version), resource },
            Some(reason) => {
                entry.refused = true;
                entry.objection = Some(reason.clone());
                let key = key.clone();
                self.effects.send.push(ToControl::Nack(Nack { key, version, reason }));
                if entry.is_found() {
                    return;
                }
                // Nobody could reach the service at all, or not before control knows better.
                Staged { version: None, resource: self.over.held_back(&resource) }
            }
        });
        if !self.subscribe_to_endpoints_of(&key) {
            let reason = "no room for the endpoints that it names".to_owned();
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.objection = Some(reason.clone());
            }
            self.effects.send.push(ToControl::Nack(Nack { key, version, reason }));
            return;
        }
        self.use_staged(&key);
        self.use_services_that_waited_for(&key);
    }

    /// Control says that there is nothing under a key.
    pub(super) fn absent(&mut self, key: &Key) {
        // What every proxy needs is never taken back: control forgets a pod sooner than its proxy
        // ends.
        if ALWAYS.contains(key) {
            return;
        }
        let (now, Some(entry)) = (self.now, self.entries.get_mut(key)) else { return };
        entry.staged = None;
        if matches!(entry.used, Some(Used::Absent)) {
            return;
        }
        self.over.note(entry.replace(Used::Absent, now));
        self.settle(key);
        self.use_services_that_waited_for(key);
    }

    /// Control pushed something that cannot be read.
    pub(super) fn rejected(&mut self, key: Key, version: Version, invalid: &Invalid) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.objection = Some(invalid.to_string());
        }
        let nack = Nack { key, version, reason: invalid.to_string() };
        self.effects.send.push(ToControl::Nack(nack));
    }

    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn subscribe(&mut self, key: Key) {
        let entry = Entry { asked_at: self.now, since: self.now, ..Entry::default() };
        if self.connected {
            self.effects.send.push(ToControl::Subscribe(vec![entry.held(&key)]));
        }
        self.entries.insert(key, entry);
    }

    /// Makes sure that the endpoints of what is staged are asked for; takes it back if there is no
    /// room for them.
    fn subscribe_to_endpoints_of(&mut self, key: &Key) -> bool {
        for endpoints in self.entries.get(key).map(Entry::staged_endpoints).unwrap_or_default() {
            if self.entries.contains_key(&endpoints) {
                continue;
            }
            if !self.make_room() {
                self.entries.get_mut(key).map(|entry| entry.staged.take());
                return false;
            }
            self.subscribe(endpoints);
        }
        true
    }

    fn use_services_that_waited_for(&mut self, endpoints: &Key) {
        if !matches!(endpoints, Key::Endpoints(_)) {
            return;
        }
        let waited = |entry: &Entry| entry.staged_endpoints().contains(endpoints);
        let services = self.entries.iter().filter(|(_, entry)| waited(entry));
        let services: Vec<_> = services.map(|(key, _)| key.clone()).collect();
        services.iter().for_each(|service| self.use_staged(service));
    }

    /// Puts what is staged under `key` in use, if everything that it names is held.
    fn use_staged(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let is_held =
            |endpoints: &Key| self.entries.get(endpoints).is_some_and(|entry| entry.used.is_some());
        if !entry.staged_endpoints().iter().all(is_held) {
            return;
        }
        let (now, Some(entry)) = (self.now, self.entries.get_mut(key)) else { return };
        let Some(Staged { version, resource }) = entry.staged.take() else { return };
        let decision = resource.decision();
        entry.refused = version.is_none();
        if !entry.refused {
            entry.objection = None;
        }
        self.over.note(entry.replace(Used::Found { version, resource }, now));
        self.settle(key);
        if let Some(version) = version {
            self.effects.send.push(ToControl::Ack(Ack { key: key.clone(), version, decision }));
        }
    }

    /// Publishes what is newly used under `key` and tells those who waited.
    fn settle(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(answer) = entry.answer() else { return };
        let waiting = entry.waiting.drain(..).map(|waiting| (waiting, answer.clone()));
        self.effects.answer.extend(waiting);
        self.effects.publish.push((key.clone(), Some(answer)));
    }
}

impl Entry {
    fn answer(&self) -> Option<Answer> {
        self.used.as_ref().map(|used| match used {
            Used::Found { resource, .. } => Answer::Found(resource.clone()),
            Used::Absent => Answer::Absent,
        })
    }

    fn version(&self) -> Option<Version> {
        match &self.used {
            Some(Used::Found { version, .. }) => *version,
            Some(Used::Absent) | None => None,
        }
    }

    const fn is_found(&self) -> bool {
        matches!(self.used, Some(Used::Found { .. }))
    }

    fn held(&self, key: &Key) -> Held {
        match &self.used {
            Some(Used::Found { version: Some(version), resource }) => {
                Held::resource(key.clone(), *version, resource)
            }
            Some(Used::Found { version: None, .. } | Used::Absent) | None => {
                Held::nothing(key.clone())
            }
        }
    }

    fn wait(&mut self, waiting: oneshot::Sender<Answer>) {
        // Whoever waited too long is gone, so those who wait are no more than those who ask.
        self.waiting.retain(|waiting| !waiting.is_closed());
        self.waiting.push(waiting);
    }

    /// Endpoints that what is staged must have before it is used.
    fn staged_endpoints(&self) -> Vec<Key> {
        self.staged.as_ref().map(|staged| endpoints_named_by(&staged.resource)).unwrap_or_default()
    }

    /// Why `next` must not replace what is used, if it goes back behind a decision.
    fn goes_back(&self, next: &Resource) -> Option<String> {
        match &self.used {
            Some(Used::Found { resource: held, .. }) if next.falls_behind(held) => {
                let held = held.decision();
                Some(format!("goes back behind decision {held}, which is in use"))
            }
            Some(Used::Found { .. } | Used::Absent) | None => None,
        }
    }

    /// Puts `next` in use; gives back the rollouts that are over with that, and how far they were.
    fn replace(&mut self, next: Used, now: u64) -> BTreeMap<RolloutId, u64> {
        let before = self.rollouts();
        (self.used, self.since) = (Some(next), now);
        let after = self.rollouts();
        before.into_iter().filter(|(rollout, _)| !after.contains_key(rollout)).collect()
    }

    /// The rollouts of what is used, and how far they are.
    fn rollouts(&self) -> BTreeMap<RolloutId, u64> {
        match &self.used {
            Some(Used::Found { resource, .. }) => resource.rollouts(),
            Some(Used::Absent) | None => BTreeMap::default(),
        }
    }
}

/// The endpoints of every backend of a service.
fn endpoints_named_by(resource: &Resource) -> Vec<Key> {
    match resource {
        Resource::Service(service) => {
            service.backends.keys().cloned().map(Key::Endpoints).collect()
        }
        Resource::Destination(_)
        | Resource::Endpoints(_)
        | Resource::Workload(_)
        | Resource::Inbound(_)
        | Resource::Trust(_)
        | Resource::Mesh(_) => Vec::new(),
    }
}

/// The pace of the coarse clock.
pub(super) const TICK: Duration = Duration::from_secs(10);

/// What every proxy needs, whatever its pod talks to.
const ALWAYS: [Key; 3] = [Key::Inbound, Key::Trust, Key::Mesh];
