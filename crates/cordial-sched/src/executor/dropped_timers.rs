//! Lets tokio forget timers that were dropped before they were due, so that no thread wakes up for them in an idle program.
//!
//! A thread of tokio sleeps until the deadline that was the earliest when it fell asleep, and does
//! not notice that the timer was dropped. Setting an earlier timer wakes that thread, which then
//! finds the new earliest deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// The duration of the earlier timer. A dropped timer that is due even sooner wakes its thread within this time anyway.
const SHORT_SLEEP: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct DroppedTimers(Notify);

impl DroppedTimers {
    /// Serves [`forget`](DroppedTimers::forget). Must be spawned on tokio.
    pub(super) async fn run(self: Arc<DroppedTimers>) {
        loop {
            self.0.notified().await;
            tokio::time::sleep(SHORT_SLEEP).await;
        }
    }

    /// Lets tokio forget dropped timers. Called when all workers sleep.
    pub(super) fn forget(&self) {
        self.0.notify_one();
    }
}
