//! Places for requests under way to one endpoint, each on a connection of its own. Whoever finds
//! none waits for one, though not for long: a request that waits is late already.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::connect::Error;

/// Places, of which some may be taken.
#[derive(Debug)]
pub struct Places(Arc<Semaphore>);

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// As many as `count`.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// A place, waiting for it if need be. Who came first is served first.
    ///
    /// # Errors
    /// If there is none within [`QUEUE_LIMIT`], or none within `patience` for somebody who can go
    /// elsewhere.
    pub async fn take(&self, patience: Option<Duration>) -> Result<Place, Error> {
        if let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let limit = patience.map_or(QUEUE_LIMIT, |patience| patience.min(QUEUE_LIMIT));
        match timeout(limit, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Crowded),
        }
    }
}

/// How long a request waits in line for others to end.
pub(super) const QUEUE_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
