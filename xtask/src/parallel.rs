//! Several pieces of work at the same time, and the first error of any.

use std::thread;

use anyhow::{Result, anyhow};

/// A piece of work.
pub(crate) type Work<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Does all of it, each piece on a thread of its own, and waits for all even if one fails.
pub(crate) fn all(works: Vec<Work<'_>>) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(work)).collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| anyhow!("a thread panicked")).flatten())
            .collect();
        results.into_iter().collect()
    })
}
