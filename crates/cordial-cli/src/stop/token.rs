//! Whether the run goes on: one word that everybody who starts or runs something looks at. It only ever rises.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently everything is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Go,
    /// Nothing new is started; what runs may end by itself.
    Soon,
    /// What runs is asked to stop, and killed after its grace.
    Now,
    /// What runs is killed.
    Kill,
}

/// The word. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<watch::Sender<Level>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Stop(Arc::new(watch::Sender::new(Level::Go)))
    }

    pub(crate) fn raise(&self, to: Level) {
        self.0.send_if_modified(|level| {
            let rises = to > *level;
            *level = to.max(*level);
            rises
        });
    }

    pub(crate) fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Waits until it is at least this urgent; most runs end before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn reached(&self, level: Level) {
        // The sender lives as long as `self`, so that the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= level).await;
    }
}
