//! How much memory the process may hold together, and what is given up when it holds as much.
//!
//! Every connection has bounds of its own, but ten thousand of them hold more than a pod has. What
//! is held is asked of the kernel, since only that counts everything; each worker asks for itself
//! and not too often, so that a request costs no more than a look at its own cells.

use std::{
    cell::Cell,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How much the process may hold, in bytes, and who says how much it does.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The bound.
    pub budget: u64,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    /// What the kernel says.
    ByProcess,
    /// What somebody says.
    AsSaid(Arc<AtomicU64>),
}

/// How much room is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// Enough.
    Ample,
    /// Less than a quarter: nothing is kept that only might be of use.
    Scarce,
    /// None: what is new is turned away.
    Spent,
}

/// How much room there was when one worker last looked.
#[derive(Debug)]
pub(super) struct Gauge {
    room: Cell<Room>,
    looked_at: Cell<Option<Instant>>,
}

impl Memory {
    /// At most `budget`; without one, what a container of this size can spare for it.
    #[must_use]
    pub fn of_process(budget: Option<u64>) -> Self {
        let budget = budget.unwrap_or_else(|| share(container_limit()));
        Self { budget, held: Held::ByProcess }
    }

    /// At most `budget`, where `held` says how much it is. For tests: a process of many tests says
    /// nothing about one of them.
    #[must_use]
    pub fn as_said(budget: u64, held: Arc<AtomicU64>) -> Self {
        Self { budget, held: Held::AsSaid(held) }
    }

    /// What cannot be read bounds nothing.
    fn room(&self) -> Room {
        let held = match &self.held {
            Held::ByProcess => anonymous().unwrap_or(0),
            Held::AsSaid(held) => held.load(Ordering::Relaxed),
        };
        room(held, self.budget)
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self { room: Cell::new(Room::Ample), looked_at: Cell::new(None) }
    }
}

impl Gauge {
    /// How much room there is, looked up anew if that was not done for a while.
    pub(super) fn room(&self, memory: &Memory, now: Instant) -> Room {
        // A request may have begun before the last look.
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < LOOK_AGAIN;
        if !self.looked_at.get().is_some_and(is_fresh) {
            self.looked_at.set(Some(now));
            self.room.set(memory.room());
        }
        self.room.get()
    }
}

const fn room(held: u64, budget: u64) -> Room {
    if held >= budget {
        Room::Spent
    } else if held >= budget / 4 * 3 {
        Room::Scarce
    } else {
        Room::Ample
    }
}

/// Three quarters of what the container may have: the rest is for what the kernel holds for it,
/// which is counted there too, and for what comes between two looks.
fn share(container: Option<u64>) -> u64 {
    container.map_or(WITHOUT_LIMIT, |limit| limit / 4 * 3)
}

/// What the container may have, if it is bounded.
fn container_limit() -> Option<u64> {
    // cgroup v2, and v1.
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    files.iter().find_map(|file| parse_limit(&fs::read_to_string(file).ok()?))
}

/// Version 2 says `max` where there is none, version 1 a number beyond all machines.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < NO_MACHINE)
}

/// What the process holds that cannot be read again from files.
fn anonymous() -> Option<u64> {
    parse_anonymous(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Reading costs some 20 µs; what a gigabit a second brings meanwhile is 6 MiB.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Many times what ten thousand idle connections take.
const WITHOUT_LIMIT: u64 = 512 << 20;
const NO_MACHINE: u64 = 1 << 60;

#[cfg(test)]
mod tests;
