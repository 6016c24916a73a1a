//! `CancelOnDrop`: cancels a job that nothing waits for any more.

use std::sync::Arc;
use std::time::Duration;

use cordial::{Task, shutdown_requested};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::cluster::ClusterShared;
use crate::job::cancel;
use crate::names::JobId;

/// For how long the cancellation is tried while the server does not answer, or has no leader.
const TRY_FOR: Duration = Duration::from_secs(30);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(300);

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
        let (cancelled, is_over) = oneshot::channel::<()>();
        // On the thread of the connection, which begins at once: the calling process, and its runtime, may be ending.
        self.shared.connection.run(async move {
            let tries = async {
                while cancel(&shared, &id).await.is_err_and(|error| error.is_temporary()) {
                    sleep(PAUSE).await;
                }
            };
            let _ = timeout(TRY_FOR, tries).await;
            drop(cancelled);
        });
        // At the end of the program, a process that waits for it has its grace time.
        Task::start(async move {
            let _graceful = shutdown_requested();
            let _ = is_over.await;
        });
    }
}
