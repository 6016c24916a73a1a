//! `CancelOnDrop`: cancels a job that nothing waits for any more.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::{Task, shutdown_requested};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::ClusterShared;
use crate::job::cancel;
use crate::names::JobId;

/// For how long the cancellation is tried while the server does not answer, or has no leader.
const TRY_FOR: Duration = Duration::from_secs(30);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(300);

/// The longest time for which a cancellation delays the end of the program if the process that waits for the cancellation has not been polled.
const LAST_CHANCE_LIMIT: Duration = Duration::from_secs(1);

/// Cancels a job when it is dropped, unless it was [disarmed](CancelOnDrop::disarm).
pub(crate) struct CancelOnDrop {
    shared: Arc<ClusterShared>,
    id: Option<JobId>,
}

impl CancelOnDrop {
    pub(crate) fn new(shared: Arc<ClusterShared>, id: JobId) -> CancelOnDrop {
        CancelOnDrop { shared, id: Some(id) }
    }

    /// Leaves the job alone.
    pub(crate) fn disarm(mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let shared = self.shared.clone();
        // Both senders are dropped when the cancellation is over.
        let (over_for_process, is_over) = oneshot::channel::<()>();
        let (over_for_drop, is_over_blocking) = mpsc::channel::<()>();
        // Runs on the thread of the connection, which begins at once: the calling process, and its runtime, may be ending.
        self.shared.connection.run(move || async move {
            let tries = async {
                while cancel(&shared, &id).await.is_err_and(|error| error.is_temporary()) {
                    sleep(PAUSE).await;
                }
            };
            let _ = timeout(TRY_FOR, tries).await;
            drop((over_for_process, over_for_drop));
        });
        // The program waits at its end for a process that has opted in to graceful shutdown, and so for the cancellation.
        let last_chance = LastChance(Some((is_over_blocking, Instant::now() + LAST_CHANCE_LIMIT)));
        Task::start(async move {
            let _graceful = shutdown_requested();
            last_chance.disarm();
            let _ = is_over.await;
        });
    }
}

/// Blocks on drop until the cancellation is over or the deadline has passed. It is dropped while armed if the program ends before the first
/// poll of the process, which has then not opted in to graceful shutdown.
///
/// The deadline is fixed at the start, so the waits of many cancellations are not added up.
struct LastChance(Option<(mpsc::Receiver<()>, Instant)>);

impl LastChance {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for LastChance {
    fn drop(&mut self) {
        if let Some((is_over, deadline)) = self.0.take() {
            let _ = is_over.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }
}
