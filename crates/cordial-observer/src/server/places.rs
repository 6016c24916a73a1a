//! The places for connections.
//!
//! Only so many connections of a listener may be open at once. Clients that are silent, slow, or may not look must not keep out one that may, so
//! when all places are taken, the oldest connection that does not keep its place is closed for the next one. A connection keeps its place once a
//! request of it was authorized, and while the answer to a wrong token is delayed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By numbers in the order in which the connections were accepted.
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug, Default)]
struct Connection {
    /// Ends the connection; `None` until its task was started.
    task: Option<AbortHandle>,
    /// Whether it keeps its place, although others wait for one.
    is_kept: bool,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Places> {
        Arc::new(Places { limit, taken: Mutex::default() })
    }

    /// Takes a place, and returns whether a connection was closed for it; `None` if all places are taken by connections that keep them.
    pub(super) fn take(self: &Arc<Places>) -> Option<(Place, bool)> {
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
        taken.connections.insert(id, Connection::default());
        drop(taken);
        let _ = closed.and_then(|connection| connection.task).inspect(AbortHandle::abort);
        Some((Place { id, places: self.clone() }, is_full))
    }

    /// Locks the places. Ignores that the lock is poisoned: no code that can panic runs under it.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection. Dropping it lets another client connect.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    places: Arc<Places>,
}

impl Place {
    /// Sets the task that serves the connection.
    pub(super) fn set_task(&self, task: AbortHandle) {
        self.change(|connection| connection.task = Some(task));
    }

    /// Sets whether the connection keeps its place, although others wait for one.
    pub(super) fn set_kept(&self, is_kept: bool) {
        self.change(|connection| connection.is_kept = is_kept);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.places.lock().connections.get(&self.id).is_some_and(|connection| connection.is_kept)
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        // A connection that is missing here was closed for another one.
        if let Some(connection) = self.places.lock().connections.get_mut(&self.id) {
            change(connection);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().connections.remove(&self.id);
    }
}
