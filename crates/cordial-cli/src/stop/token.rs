//! How urgently the run is stopping: one shared level, which is only ever raised.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently the run is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
    /// The run is not stopping.
    Running,
    /// No command is started any more; running commands may finish.
    Drain,
    /// Running commands receive SIGTERM, and SIGKILL after the grace period.
    Terminate,
    /// Running commands are killed.
    Kill,
}

/// The level of the run. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StopToken(Arc<watch::Sender<StopLevel>>);

impl StopToken {
    pub(crate) fn new() -> Self {
        StopToken(Arc::new(watch::Sender::new(StopLevel::Running)))
    }

    /// Raises the level to `to`, unless it is that high already.
    pub(crate) fn raise(&self, to: StopLevel) {
        self.0.send_if_modified(|level| {
            let is_raised = to > *level;
            *level = to.max(*level);
            is_raised
        });
    }

    pub(crate) fn level(&self) -> StopLevel {
        *self.0.borrow()
    }

    /// Waits until the level is at least `level`. The wait has no bound: most runs are never stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_for(&self, level: StopLevel) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|current| *current >= level).await;
    }
}
