//! `ReceivedJob`: a job that has arrived, its lease, and how long it may have been on its way.
//!
//! As soon as a job has arrived, the thread of the connection renews its lease and takes requests to end it. It does not wait until the run begins:
//! user code may block every thread of the runtime for longer than a lease.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use tokio::time::Instant;

use super::node::RunRegistration;
use crate::net::{CancellationToken, KeepAliveGuard, ReplySubject};

/// If the server sends no message for this long, the requests for jobs count as lost.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// A job that has arrived. Dropping it ends the renewals of the lease.
pub(super) struct ReceivedJob {
    pub(super) message: Message,
    /// Whether the job may have been on its way for so long that its lease has run out, or soon will. Then another worker may have the job.
    pub(super) is_late: bool,
    /// The server sent the job after this time.
    pub(super) sent_after: Instant,
    /// Where the acknowledgements of the job go.
    pub(super) reply: Option<Arc<ReplySubject>>,
    /// A random number of the delivery, which is not 0.
    pub(super) arrival: u64,
    /// Ends the run before it has a result.
    pub(super) cancellation: Arc<CancellationToken>,
    /// The entry of the job in the table of the node. `None` if the message is not a job.
    pub(super) registered: Option<RunRegistration>,
    /// Renews the lease. `None` if the message is not a job, or if the job is late: the lease of a late job is renewed only while the job runs.
    pub(super) lease: Option<KeepAliveGuard>,
}

/// Returns whether a message that arrives now counts as late: the server may have sent it as early as `sent_after`, and more than five seconds, or
/// half of the lease, have passed since then.
pub(super) fn is_late(sent_after: Instant, lease: Duration) -> bool {
    sent_after.elapsed() > SILENCE.min(lease / 2)
}
