//! `ReceivedJob`: a job that has arrived, how old it may be, and its lease.
//!
//! From the arrival on, the thread of the connection renews the lease, and takes requests to end the job: user code may block every
//! worker of the runtime for longer than the lease before the run begins.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use tokio::time::Instant;

use super::node::RunRegistration;
use crate::net::{CancellationToken, KeepAliveGuard, ReplySubject};

/// After how long without a message the requests for jobs are taken for lost.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// A job that has arrived. Dropping it ends the renewals.
pub(super) struct ReceivedJob {
    pub(super) message: Message,
    /// Whether so little of the lease may be left that another worker has the job, or will have it soon.
    pub(super) is_late: bool,
    /// The server sent the job after this time.
    pub(super) sent_after: Instant,
    /// Where its acknowledgements go.
    pub(super) reply: Option<Arc<ReplySubject>>,
    pub(super) cancellation: Arc<CancellationToken>,
    /// Its entry in the table of the node. `None` if the message is not a job.
    pub(super) registered: Option<RunRegistration>,
    /// `None` if the job is late, or the message is not a job. The renewals of a late job begin with its run.
    pub(super) lease: Option<KeepAliveGuard>,
}

/// Returns whether a message that was sent after this time and arrives now is late.
pub(super) fn is_late(sent_after: Instant, lease: Duration) -> bool {
    sent_after.elapsed() > SILENCE.min(lease / 2)
}
