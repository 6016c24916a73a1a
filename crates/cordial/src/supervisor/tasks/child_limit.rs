//! The limit on how many children run at once.

use std::sync::Arc;

use tokio::sync::{Semaphore, TryAcquireError};

use crate::exit::Refusal;
use crate::unwind;

/// The limit of one incarnation of a task supervisor: a semaphore, or nothing if there is no limit.
#[derive(Debug)]
pub(super) struct ChildLimit(Option<Semaphore>);

/// The permit to start one child. Dropping the permit returns it to the limit.
#[derive(Debug)]
pub(super) struct ChildPermit(Option<Arc<ChildLimit>>);

impl ChildLimit {
    pub(super) fn new(max_children: Option<usize>) -> Arc<ChildLimit> {
        let semaphore = max_children.map(|n| Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Arc::new(ChildLimit(semaphore))
    }

    /// Returns a permit if the limit has not been reached.
    pub(super) fn try_acquire(self: &Arc<ChildLimit>) -> Result<ChildPermit, Refusal> {
        let Some(semaphore) = &self.0 else { return Ok(ChildPermit(None)) };
        match semaphore.try_acquire() {
            Ok(permit) => {
                permit.forget();
                Ok(ChildPermit(Some(self.clone())))
            }
            Err(TryAcquireError::NoPermits) => Err(Refusal::SupervisorFull),
            Err(TryAcquireError::Closed) => Err(Refusal::SupervisorStopped),
        }
    }

    /// Waits for a permit. Waiting calls receive permits in the order in which they were made.
    /// Dropping the future gives up the place in the queue.
    pub(super) async fn acquire(self: Arc<ChildLimit>) -> Result<ChildPermit, Refusal> {
        let Some(semaphore) = &self.0 else { return Ok(ChildPermit(None)) };
        match semaphore.acquire().await {
            Ok(permit) => {
                permit.forget();
                Ok(ChildPermit(Some(self.clone())))
            }
            Err(_closed) => Err(Refusal::SupervisorStopped),
        }
    }

    /// Refuses all waiting and all later calls.
    pub(super) fn close(&self) {
        if let Some(semaphore) = &self.0 {
            // A user's waker that panics interrupts `close`, which has already removed that waker from the queue. The
            // next attempt continues with the other wakers, so the loop ends when the queue is empty.
            while unwind::catch_cold(|| semaphore.close()).is_err() {}
        }
    }

    /// Returns the permit of a child that has exited.
    pub(super) fn release(&self) {
        if let Some(semaphore) = &self.0 {
            unwind::ignore_panic(|| semaphore.add_permits(1));
        }
    }
}

impl ChildPermit {
    /// Passes the permit to a child that starts. [`ChildLimit::release`] returns it when the child exits.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for ChildPermit {
    fn drop(&mut self) {
        if let Some(limit) = self.0.take() {
            limit.release();
        }
    }
}
