//! Waiting with a deadline, for what is bound to happen soon.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::Instant;

/// Asks `look` until it gives something, and gives up after `deadline` with what it said last.
///
/// # Errors
/// If it has not happened by then.
pub async fn eventually<T, F, L>(what: &str, deadline: Duration, look: L) -> Result<T>
where
    L: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    every(INTERVAL, what, deadline, look).await
}

/// The same for what is timed: looks much more often.
///
/// # Errors
/// If it has not happened by then.
pub async fn closely<T, F, L>(what: &str, deadline: Duration, look: L) -> Result<T>
where
    L: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    every(INTERVAL / 10, what, deadline, look).await
}

async fn every<T, F, L>(
    interval: Duration,
    what: &str,
    deadline: Duration,
    mut look: L,
) -> Result<T>
where
    L: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        // On the heap: what looks may be big, and it is held in many places.
        let error = match Box::pin(look()).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if Instant::now() >= end {
            bail!("not within {deadline:?}: {what}: {error:#}");
        }
        tokio::time::sleep(interval).await;
    }
}

/// Looks for as long as `span` lasts, and fails as soon as `look` does.
///
/// # Errors
/// What `look` says, with when it said so.
pub async fn throughout<F, L>(what: &str, span: Duration, mut look: L) -> Result<()>
where
    L: FnMut() -> F,
    F: Future<Output = Result<()>>,
{
    let start = Instant::now();
    while start.elapsed() < span {
        if let Err(error) = look().await {
            bail!("after {:?}, {what}: {error:#}", start.elapsed());
        }
        // Rarely enough that looking is not what is measured.
        tokio::time::sleep(2 * INTERVAL).await;
    }
    Ok(())
}

const INTERVAL: Duration = Duration::from_millis(200);
