//! Tasks with names, and an end that is a path like any other.
//!
//! A task that panics is logged with its name. The end of a critical task ends the process: state
//! with one writer must not go on without it.

use std::{future::Future, task::Poll, time::Duration};

use futures::stream::{self, Stream, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, error, info, warn};

/// The tasks of a process.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    leaving: CancellationToken,
    stopping: CancellationToken,
    broken: CancellationToken,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It was asked to, and every task ended in time.
    Clean,
    /// It was asked to, and some tasks had not ended at the deadline.
    Late,
    /// A critical task ended by itself.
    Broken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        let [leaving, stopping, broken] = [(); 3].map(|()| CancellationToken::new());
        Self { tracker: TaskTracker::new(), leaving, stopping, broken }
    }

    /// Fires when the process has been asked to stop, which it does a while later: see
    /// [`run_until_signal`](Self::run_until_signal).
    #[must_use]
    pub fn leaving(&self) -> CancellationToken {
        self.leaving.clone()
    }

    /// Fires when the process is to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Runs `task` beside the others. Its panic is logged and harms nothing else.
    #[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let inner = tokio::spawn(task.instrument(tracing::info_span!("task", task = name)));
        let watched = async move {
            if let Err(gone) = inner.await
                && gone.is_panic()
            {
                error!(name, "task panicked");
            }
        };
        self.tracker.spawn(watched);
    }

    /// Runs a task that the process cannot do without: when it ends before the process is to stop,
    /// the process ends.
    #[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let inner = tokio::spawn(task.instrument(tracing::info_span!("task", task = name)));
        let (stopping, broken) = (self.stopping.clone(), self.broken.clone());
        let watched = async move {
            let outcome = inner.await;
            if !stopping.is_cancelled() {
                error!(name, panicked = outcome.is_err(), "critical task ended");
                broken.cancel();
            }
        };
        self.tracker.spawn(watched);
    }

    /// Tells every task to stop, and waits for them until `deadline`.
    pub async fn shutdown(&self, deadline: Duration) -> End {
        self.leaving.cancel();
        self.stopping.cancel();
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => End::Clean,
            Err(_elapsed) => {
                warn!(left = self.tracker.len(), "tasks had not ended at the deadline");
                End::Late
            }
        }
    }

    /// Waits for SIGTERM, SIGINT or the end of a critical task, then shuts down. After a signal
    /// everything goes on for `linger`, for those who have not heard yet that this process is on
    /// its way out (a Service's endpoints change after its pod was told to end); a second signal
    /// cuts that short.
    ///
    /// # Errors
    /// If the signals cannot be listened to.
    pub async fn run_until_signal(
        &self,
        linger: Duration,
        deadline: Duration,
    ) -> std::io::Result<End> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let signals = stream::poll_fn(|context| match terminate.poll_recv(context) {
            Poll::Pending => interrupt.poll_recv(context),
            told @ Poll::Ready(_) => told,
        });
        Ok(self.run_until(signals, linger, deadline).await)
    }

    async fn run_until(
        &self,
        mut told: impl Stream<Item = ()> + Unpin,
        linger: Duration,
        deadline: Duration,
    ) -> End {
        let broken = tokio::select! {
            _ = told.next() => false,
            () = self.broken.cancelled() => true,
        };
        info!(broken, ?linger, "asked to stop");
        if !broken {
            self.leaving.cancel();
            tokio::select! {
                () = tokio::time::sleep(linger) => {}
                _ = told.next() => {}
                () = self.broken.cancelled() => {}
            }
        }
        info!("stopping");
        let end = self.shutdown(deadline).await;
        if self.broken.is_cancelled() { End::Broken } else { end }
    }

    /// Fires when a critical task ended by itself.
    #[must_use]
    pub fn broken(&self) -> CancellationToken {
        self.broken.clone()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn tasks_are_told_to_stop_and_waited_for() {
        let tasks = Tasks::new();
        let stop = tasks.token();
        tasks.spawn("waits", async move { stop.cancelled().await });
        assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, End::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_left_behind_at_the_deadline() {
        let tasks = Tasks::new();
        tasks.spawn("never ends", std::future::pending());
        assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, End::Late);
    }

    /// How long after the start a process said that it leaves, told its tasks to stop, and how it
    /// ended. A critical task of it ends after `life`.
    async fn told_after(
        told: impl Stream<Item = ()> + Unpin,
        life: Duration,
    ) -> (Duration, Duration, End) {
        let (tasks, began) = (Tasks::new(), Instant::now());
        let after = async |token: CancellationToken| {
            token.cancelled().await;
            began.elapsed()
        };
        let (leaving, stopping) = (after(tasks.leaving()), after(tasks.token()));
        let stop = tasks.token();
        let life = tokio::time::sleep(life);
        let server = async move { stop.run_until_cancelled(life).await.unwrap_or(()) };
        tasks.spawn_critical("server", server);
        let run = tasks.run_until(told, LINGER, LINGER);
        tokio::join!(leaving, stopping, run)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_signal_everything_goes_on_for_a_while() {
        let once = stream::iter([()]).chain(stream::pending());
        let ends = told_after(once, 2 * LINGER).await;
        assert_eq!(ends, (Duration::ZERO, LINGER, End::Clean));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_cuts_that_short() {
        let twice = stream::iter([(), ()]).chain(stream::pending());
        let ends = told_after(twice, LINGER).await;
        assert_eq!(ends, (Duration::ZERO, Duration::ZERO, End::Clean));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_critical_task_cuts_that_short() {
        let once = stream::iter([()]).chain(stream::pending());
        let ends = told_after(once, SECOND).await;
        assert_eq!(ends, (Duration::ZERO, SECOND, End::Broken));
        let ends = told_after(stream::pending(), SECOND).await;
        assert_eq!(ends, (SECOND, SECOND, End::Broken));
    }

    const LINGER: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_end_of_a_critical_task_is_noticed() {
        let tasks = Tasks::new();
        tasks.spawn_critical("writer", async {});
        tasks.broken().cancelled().await;
    }
}
