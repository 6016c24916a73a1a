//! `CancellationToken`: ends a run before it has a result.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Why a run has to end before it has a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelReason {
    /// The lease was not confirmed in time, so the job may run elsewhere.
    LeaseLost,
    /// The job was cancelled.
    Cancelled,
    /// The caller is gone, or has dropped the call.
    CallerGone,
    /// The worker stops, and its grace time is over.
    WorkerStops,
}

/// Ends a run before it has a result. Shared by the thread of the connection, the worker and the run.
#[derive(Debug, Default)]
pub(crate) struct CancellationToken {
    reason: Mutex<Option<CancelReason>>,
    notify: Notify,
    /// The confirmed end of the lease. `None` while no lease is renewed.
    lease_end: Mutex<Option<Instant>>,
}

impl CancellationToken {
    /// Requests the end. The first reason stays.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.notify.notify_one();
    }

    /// Returns the reason, if the end was requested.
    pub(crate) fn reason(&self) -> Option<CancelReason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the end of the lease that the server has confirmed.
    pub(super) fn extend_lease(&self, end: Instant) {
        *self.lease_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Returns whether the lease has run out. Reads the clock, so the answer is right even if the program was frozen and the
    /// thread of the connection has not yet checked the leases.
    pub(crate) fn is_lease_expired(&self) -> bool {
        let end = *self.lease_end.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| Instant::now() >= end)
    }

    /// Returns whether the run has a confirmed lease that has not run out.
    pub(crate) fn holds_lease(&self) -> bool {
        let end = *self.lease_end.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| Instant::now() < end) && self.reason() != Some(CancelReason::LeaseLost)
    }

    /// Waits until the end is requested. Only one future may wait at a time: `cancel` wakes only one.
    pub(crate) async fn cancelled(&self) -> CancelReason {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.notify.notified().await;
        }
    }
}
