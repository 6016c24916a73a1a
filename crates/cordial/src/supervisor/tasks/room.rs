//! The bound on how many children run at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::exit::Refusal;
use crate::unwind;

/// Room for children. One for each incarnation of a task supervisor.
#[derive(Debug)]
pub(super) struct Room {
    /// `None`: there is no limit.
    free: Option<Semaphore>,
}

/// Room for one child. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit(Option<Arc<Room>>);

impl Room {
    pub(super) fn new(max_children: Option<usize>) -> Arc<Room> {
        let free = max_children.map(|n| Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Arc::new(Room { free })
    }

    /// Room for one more child, if there is some.
    pub(super) fn try_enter(self: &Arc<Room>) -> Result<Permit, Refusal> {
        let Some(free) = &self.free else { return Ok(Permit(None)) };
        match free.try_acquire() {
            Ok(permit) => {
                permit.forget();
                Ok(Permit(Some(self.clone())))
            }
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(Refusal::SupervisorFull),
            Err(tokio::sync::TryAcquireError::Closed) => Err(Refusal::SupervisorStopped),
        }
    }

    /// Waits for room, in the order in which it was asked for. Dropping the future gives up the turn.
    pub(super) async fn enter(self: Arc<Room>) -> Result<Permit, Refusal> {
        let Some(free) = &self.free else { return Ok(Permit(None)) };
        match free.acquire().await {
            Ok(permit) => {
                permit.forget();
                Ok(Permit(Some(self.clone())))
            }
            Err(_closed) => Err(Refusal::SupervisorStopped),
        }
    }

    /// Whoever waits is refused, from now on.
    pub(super) fn close(&self) {
        if let Some(free) = &self.free {
            // Whoever waits is taken off the queue first and woken then: so each gets its turn.
            while unwind::catch(|| free.close()).is_err() {}
        }
    }
}

impl Permit {
    /// The child has it now, and its end gives it back with [`Room::leave`].
    pub(super) fn hand_over(mut self) {
        self.0 = None;
    }
}

impl Room {
    pub(super) fn leave(&self) {
        if let Some(free) = &self.free {
            unwind::ignore_panic(|| free.add_permits(1));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(room) = self.0.take() {
            room.leave();
        }
    }
}
