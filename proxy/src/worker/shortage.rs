//! What to do about a shortage of descriptors, ports or memory, which is met again and again while
//! it lasts: not everything every time.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// When something was last done about it.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    told_at: Cell<Option<Instant>>,
    freed_at: Cell<Option<Instant>>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Relief {
    /// Somebody is to be told.
    pub(super) tell: bool,
    /// What is only kept for later is to be given up.
    pub(super) free: bool,
}

impl Shortage {
    /// It was met, once more or for the first time.
    pub(super) fn met(&self, now: Instant) -> Relief {
        Relief { tell: is_due(&self.told_at, TELL, now), free: is_due(&self.freed_at, FREE, now) }
    }
}

fn is_due(last: &Cell<Option<Instant>>, interval: Duration, now: Instant) -> bool {
    let is_due = last.get().is_none_or(|last| now - last >= interval);
    if is_due {
        last.set(Some(now));
    }
    is_due
}

const TELL: Duration = Duration::from_secs(30);
/// What was freed is taken again at once; looking for more has a price.
const FREE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
