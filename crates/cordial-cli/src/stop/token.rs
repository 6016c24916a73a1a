//! How urgently the run is stopping: one shared level, which is only ever raised.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
pub(crate) struct StopToken {
    level: Arc<watch::Sender<StopLevel>>,
    is_interrupted: Arc<AtomicBool>,
}

impl StopToken {
    pub(crate) fn new() -> Self {
        StopToken { level: Arc::new(watch::Sender::new(StopLevel::Running)), is_interrupted: Arc::default() }
    }

    /// Raises the level to `to`, unless it is that high already.
    pub(crate) fn raise(&self, to: StopLevel) {
        self.level.send_if_modified(|level| {
            let is_raised = to > *level;
            *level = to.max(*level);
            is_raised
        });
    }

    /// Lets no further command start, because Ctrl-C has ended the command that had the terminal.
    pub(crate) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
        self.raise(StopLevel::Drain);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    pub(crate) fn level(&self) -> StopLevel {
        *self.level.borrow()
    }

    /// Waits until the level is at least `level`. The wait has no bound: most runs are never stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_for(&self, level: StopLevel) {
        // The wait fails only when the sender is gone, and `self` holds the sender.
        let _ = self.level.subscribe().wait_for(|current| *current >= level).await;
    }
}
