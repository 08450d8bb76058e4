//! Kubernetes events: one per thing that happened, with a reason of its own.
//!
//! The same sentence about the same object is published once; a level that is held, and reported at
//! every turn, thus shows once.

use std::{collections::VecDeque, sync::Arc};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::Mutex;
use tracing::warn;

use crate::apply::within;

/// Publishes events in the name of one controller.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    told: Arc<Mutex<Told>>,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Happening {
    /// In one word, `UpperCamelCase`.
    pub reason: &'static str,
    /// In a sentence.
    pub sentence: String,
    /// Whether a person should look.
    pub warning: bool,
}

impl Events {
    /// Publishes as `controller`, from the process `instance`.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let (controller, instance) = (controller.to_owned(), Some(instance.to_owned()));
        let recorder = Recorder::new(client, Reporter { controller, instance });
        Self { recorder, told: Arc::default() }
    }

    /// Publishes `happening` about the object, unless it was just said. A failure is logged only:
    /// nothing may wait for an event.
    pub async fn publish(&self, about: &ObjectReference, happening: &Happening) {
        let uid = about.uid.clone().unwrap_or_default();
        if !self.told.lock().await.is_new(&uid, happening) {
            return;
        }
        let type_ = if happening.warning { EventType::Warning } else { EventType::Normal };
        let note: String = happening.sentence.chars().take(LONGEST_NOTE).collect();
        // The recorder merges events that differ in their note only, and keeps the first note; the
        // action is part of what it tells them apart by.
        let action: String = note.chars().take(LONGEST_ACTION).collect();
        let reason = happening.reason.to_owned();
        let event = Event { type_, reason, note: Some(note), action, secondary: None };
        if let Err(error) = Box::pin(within(self.recorder.publish(&event, about))).await {
            warn!(%error, reason = happening.reason, "event not published");
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// What was said last, oldest first.
#[derive(Debug, Default)]
struct Told(VecDeque<(String, Happening)>);

impl Told {
    /// Whether this differs from what was last said about the object under this reason.
    fn is_new(&mut self, uid: &str, happening: &Happening) -> bool {
        let same =
            |(about, said): &(String, Happening)| about == uid && said.reason == happening.reason;
        let held = self.0.iter().position(same).and_then(|at| self.0.remove(at));
        let new = held.is_none_or(|(_, said)| said != *happening);
        self.0.push_back((uid.to_owned(), happening.clone()));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        new
    }
}

const REMEMBERED: usize = 512;
/// The API server's bounds are 1024 bytes and 128 bytes; a character has at most four.
const LONGEST_NOTE: usize = 250;
const LONGEST_ACTION: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(reason: &'static str, sentence: &str) -> Happening {
        Happening { reason, sentence: sentence.to_owned(), warning: false }
    }

    #[test]
    fn a_level_that_is_reported_again_is_said_once() {
        let mut told = Told::default();
        assert!(told.is_new("a", &happening("Stuck", "waits for x")));
        assert!(!told.is_new("a", &happening("Stuck", "waits for x")));
        assert!(told.is_new("b", &happening("Stuck", "waits for x")));
        assert!(told.is_new("a", &happening("Stuck", "waits for y")));
        assert!(told.is_new("a", &happening("Moving", "waits for y")));
    }

    #[test]
    fn memory_is_bounded() {
        let mut told = Told::default();
        for uid in 0..2 * REMEMBERED {
            told.is_new(&uid.to_string(), &happening("Stuck", "waits"));
        }
        assert_eq!(told.0.len(), REMEMBERED);
    }
}
