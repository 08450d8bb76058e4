//! Runs a target on input after input, and keeps those that make it do something new.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, Hash, Hasher as _, RandomState},
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    mutate::{Dice, mutate},
    targets::Target,
};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) executions: u64,
    /// How long it took, which is shorter if the target panics.
    pub(crate) took: Duration,
    /// How many inputs are kept.
    pub(crate) corpus: usize,
    /// How many different things the target did.
    pub(crate) behaviours: usize,
    pub(crate) crash: Option<Crash>,
}

/// An input that makes a target panic.
#[derive(Debug)]
pub(crate) struct Crash {
    pub(crate) input: Vec<u8>,
    /// The panic's message.
    pub(crate) says: String,
}

/// A seed that nobody chose.
pub(crate) fn any_seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// Keeps the message of the last panic on any task, instead of printing it: panics of tasks that
/// nobody joins count, too.
pub(crate) fn listen_for_panics() {
    panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
    }));
}

static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Tries the corpus, and then what can be made of it until the time is over or the target panics.
pub(crate) fn run(target: &Target, seed: u64, time: Duration) -> Outcome {
    let (mut dice, mut seen) = (Dice(seed), BTreeSet::new());
    let (mut kept, mut executions) = (Vec::new(), 0);
    let mut waiting = (target.corpus)();
    let began = Instant::now();
    let deadline = began + time;
    let crash = loop {
        let input = match waiting.pop() {
            Some(input) => input,
            None if Instant::now() >= deadline => break None,
            None => {
                let nothing = Vec::new();
                let base = dice.pick(&kept).unwrap_or(&nothing).clone();
                let other = dice.pick(&kept).unwrap_or(&nothing);
                mutate(&mut dice, &base, other, target.words)
            }
        };
        executions += 1;
        match attempt(target, &input) {
            Err(says) => break Some(Crash { input, says }),
            Ok(behaviour) if seen.insert(behaviour) && kept.len() < KEPT => kept.push(input),
            Ok(_) => {}
        }
    };
    let (took, corpus, behaviours) = (began.elapsed(), kept.len(), seen.len());
    Outcome { executions, took, corpus, behaviours, crash }
}

/// What the target makes of an input, or what it says when it panics.
fn attempt(target: &Target, input: &[u8]) -> Result<u64, String> {
    let done = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let says = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (done, says) {
        (Ok(behaviour), None) => Ok(behaviour),
        (_, says) => Err(says.unwrap_or_else(|| "it panicked".to_owned())),
    }
}

/// One number for all that is worth telling apart.
pub(crate) fn behaviour(of: impl Hash) -> u64 {
    #[expect(deprecated, reason = "the same number in every process")]
    let mut hasher = std::hash::SipHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// How many inputs are kept at most.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests;
