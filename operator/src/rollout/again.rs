//! A panic in one rollout's loop ends at its boundary: the loop is made anew, later and later.
//!
//! Nothing is lost by that: where a rollout stands is written down, and what it holds are levels.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio::time::Instant;

/// Runs what `make` makes until it ends by itself. After a panic it is made anew; how soon is told
/// before.
pub(super) async fn until_done<F>(mut make: impl FnMut() -> F, mut broke: impl FnMut(Duration))
where
    F: Future<Output = ()>,
{
    let mut pause = SHORTEST;
    loop {
        let began = Instant::now();
        // What broke is dropped whole; the next one begins from what is written down.
        if AssertUnwindSafe(async { make().await }).catch_unwind().await.is_ok() {
            return;
        }
        if began.elapsed() >= LONGEST {
            pause = SHORTEST;
        }
        broke(pause);
        tokio::time::sleep(pause).await;
        pause = LONGEST.min(pause * 2);
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// The pauses before each new life, where each life lasts that long and all but the last break.
    async fn pauses(lives: &[Duration]) -> Vec<u64> {
        let (life, told) = (Cell::new(0), RefCell::new(Vec::new()));
        let make = || {
            let at = life.replace(life.get() + 1);
            async move {
                tokio::time::sleep(lives[at]).await;
                assert!(at + 1 == lives.len(), "this life breaks");
            }
        };
        until_done(make, |pause| told.borrow_mut().push(pause.as_secs())).await;
        assert_eq!(life.get(), lives.len());
        told.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn what_breaks_is_made_anew_later_and_later_until_it_ends() {
        assert_eq!(pauses(&[Duration::ZERO; 9]).await, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pauses(&[Duration::ZERO]).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_life_makes_the_next_pause_short() {
        let lives = [Duration::ZERO, Duration::ZERO, LONGEST, Duration::ZERO, Duration::ZERO];
        assert_eq!(pauses(&lives).await, [1, 2, 1, 2]);
    }
}
