//! Background work: counted, so that a stopping program can wait for it.

use std::time::Duration;

use tokio_util::task::TaskTracker;

/// The tasks of one program. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs `task` beside the caller. A panic in it is printed and ends only that task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.len()
    }

    /// Waits until no task runs; none may be spawned from now on by others.
    pub async fn idle(&self) {
        self.0.close();
        self.0.wait().await;
    }

    /// Waits until no task runs, for `patience` at most; says how many still did.
    pub async fn idle_within(&self, patience: Duration) -> usize {
        self.0.close();
        match tokio::time::timeout(patience, self.0.wait()).await {
            Ok(()) => 0,
            Err(_late) => self.running(),
        }
    }
}
