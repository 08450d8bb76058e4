//! Places for requests under way to one endpoint, each on a connection of its own. Whoever finds
//! none waits for one, though not for long: a request that waits is late already.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::connect::Error;

/// Places, of which some may be taken.
#[derive(Debug)]
pub struct Places(Rc<Room>);

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place(Rc<Room>);

#[derive(Debug)]
struct Room {
    free: Cell<usize>,
    /// Those who wait, by when they came; nobody if a place is free.
    line: RefCell<VecDeque<oneshot::Sender<Place>>>,
}

impl Places {
    /// As many as `count`.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Rc::new(Room { free: Cell::new(count), line: RefCell::default() }))
    }

    /// A place, waiting for it if need be. Who came first is served first.
    ///
    /// # Errors
    /// If there is none within [`QUEUE_LIMIT`], or none within `patience` for somebody who can go
    /// elsewhere.
    pub async fn take(&self, patience: Option<Duration>) -> Result<Place, Error> {
        match self.0.free.get().checked_sub(1) {
            Some(left) => {
                self.0.free.set(left);
                Ok(Place(Rc::clone(&self.0)))
            }
            // Boxed, because it is rare and large.
            None => Box::pin(self.wait(patience)).await,
        }
    }

    async fn wait(&self, patience: Option<Duration>) -> Result<Place, Error> {
        let (waiting, turn) = oneshot::channel();
        if !self.0.stand_in_line(waiting) {
            return Err(Error::Crowded);
        }
        let limit = patience.map_or(QUEUE_LIMIT, |patience| patience.min(QUEUE_LIMIT));
        // A place that comes too late is dropped with `turn`, and so goes to the next in line.
        match timeout(limit, turn).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::Crowded),
        }
    }
}

impl Room {
    /// Whether there was room in the line.
    fn stand_in_line(&self, waiting: oneshot::Sender<Place>) -> bool {
        let mut line = self.line.borrow_mut();
        if line.len() >= LINE {
            line.retain(|waiting| !waiting.is_closed());
        }
        let has_room = line.len() < LINE;
        if has_room {
            line.push_back(waiting);
        }
        has_room
    }

    fn first_in_line(&self) -> Option<oneshot::Sender<Place>> {
        let mut line = self.line.borrow_mut();
        loop {
            let waiting = line.pop_front()?;
            if !waiting.is_closed() {
                return Some(waiting);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self.0.first_in_line() {
            // Whoever is first in line was still there a moment ago, on this same thread.
            Some(waiting) => drop(waiting.send(Self(Rc::clone(&self.0)))),
            None => self.0.free.set(self.0.free.get() + 1),
        }
    }
}

/// How many requests may wait.
const LINE: usize = 4096;
/// How long a request waits in line for others to end.
pub(super) const QUEUE_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
