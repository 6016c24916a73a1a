//! What a process that is a connection shows about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A connection of a network server, as its process shows it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The address of the client.
    pub peer: Arc<str>,
    /// How many requests have arrived.
    pub requests: u64,
}

/// The address of the client of a connection, and the counter of its requests.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) peer: Arc<str>,
    pub(super) requests: Arc<AtomicU64>,
}

impl Connection {
    pub(super) fn info(&self) -> ConnectionInfo {
        ConnectionInfo { peer: self.peer.clone(), requests: self.requests.load(Ordering::Relaxed) }
    }
}
