//! `ReceivedJob`: a job that has arrived, and how old it may be.

use std::time::Duration;

use async_nats::Message;
use tokio::time::Instant;

/// After how long without a message the requests for jobs are lost.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// A job that has arrived.
pub(super) struct ReceivedJob {
    pub(super) message: Message,
    /// A time before the server sent the job.
    pub(super) sent_after: Instant,
}

impl ReceivedJob {
    /// Returns whether so little of the lease may be left that another worker has the job, or will have it soon.
    pub(super) fn is_late(&self, lease: Duration) -> bool {
        is_late(self.sent_after, lease)
    }
}

/// Returns whether a message is late that was sent after this time and arrives now.
pub(super) fn is_late(sent_after: Instant, lease: Duration) -> bool {
    sent_after.elapsed() > SILENCE.min(lease / 2)
}
