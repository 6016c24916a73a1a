//! The connections that a listener may have open at once.
//!
//! The number of open connections of a listener is limited. Clients that are silent, slow or unauthorized must not keep an authorized client
//! out. So when all slots are taken, a new connection closes the oldest connection that does not keep its slot. A connection keeps its slot
//! after one of its requests was authorized, and while the answer to a wrong token is delayed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The slots of one listener.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    limit: usize,
    taken: Mutex<TakenSlots>,
}

#[derive(Debug, Default)]
struct TakenSlots {
    next: u64,
    /// By numbers in the order in which the connections were accepted.
    connections: BTreeMap<u64, OpenConnection>,
}

#[derive(Debug, Default)]
struct OpenConnection {
    /// Ends the connection; `None` until its task was started.
    task: Option<AbortHandle>,
    /// Whether the connection keeps its slot when others need one.
    is_kept: bool,
}

impl ConnectionSlots {
    pub(super) fn new(limit: usize) -> Arc<ConnectionSlots> {
        Arc::new(ConnectionSlots { limit, taken: Mutex::default() })
    }

    /// Takes a slot, and returns whether a connection was closed for it; `None` if all slots are taken by connections that keep them.
    pub(super) fn take(self: &Arc<ConnectionSlots>) -> Option<(ConnectionSlot, bool)> {
        let mut taken = self.lock();
        let is_full = taken.connections.len() >= self.limit;
        let mut closed = None;
        if is_full {
            let mut oldest_first = taken.connections.iter();
            let oldest = *oldest_first.find(|(_, connection)| !connection.is_kept)?.0;
            closed = taken.connections.remove(&oldest);
        }
        let id = taken.next;
        taken.next += 1;
        taken.connections.insert(id, OpenConnection::default());
        drop(taken);
        let _ = closed.and_then(|connection| connection.task).inspect(AbortHandle::abort);
        Some((ConnectionSlot { id, slots: self.clone() }, is_full))
    }

    /// Locks the slots. Ignores that the lock is poisoned: no code that can panic runs under it.
    fn lock(&self) -> MutexGuard<'_, TakenSlots> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a connection. Dropping it lets another client connect.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    id: u64,
    slots: Arc<ConnectionSlots>,
}

impl ConnectionSlot {
    /// Sets the task that serves the connection.
    pub(super) fn set_task(&self, task: AbortHandle) {
        self.change(|connection| connection.task = Some(task));
    }

    /// Sets whether the connection keeps its slot when others need one.
    pub(super) fn set_kept(&self, is_kept: bool) {
        self.change(|connection| connection.is_kept = is_kept);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.slots.lock().connections.get(&self.id).is_some_and(|connection| connection.is_kept)
    }

    fn change(&self, change: impl FnOnce(&mut OpenConnection)) {
        // A connection that is missing here was closed for another one.
        if let Some(connection) = self.slots.lock().connections.get_mut(&self.id) {
            change(connection);
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.lock().connections.remove(&self.id);
    }
}
