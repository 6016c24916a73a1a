//! The processes of the connections of one server.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordial::{Exit, Pid, process};
use tokio::sync::mpsc;

/// The list of the connections of a server that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next_key: u64,
    /// A connection whose process is being started has no pid yet.
    pids: BTreeMap<u64, Option<Pid>>,
}

/// A place in the list. The process of the connection owns it, and its drop removes the connection from the list.
#[derive(Debug)]
pub(super) struct ConnectionEntry {
    key: u64,
    connections: Arc<Connections>,
    /// Nothing is sent: the server waits until all senders are gone.
    _open: mpsc::Sender<Infallible>,
}

impl Connections {
    /// Adds a connection whose process is about to start. Its entry keeps a clone of `open`.
    pub(super) fn add(self: &Arc<Connections>, open: &mpsc::Sender<Infallible>) -> ConnectionEntry {
        let mut list = self.lock();
        let key = list.next_key;
        list.next_key += 1;
        list.pids.insert(key, None);
        ConnectionEntry { key, connections: self.clone(), _open: open.clone() }
    }

    /// Sets the process of a connection, unless that process has exited already.
    pub(super) fn started(&self, key: u64, pid: Pid) {
        if let Some(entry) = self.lock().pids.get_mut(&key) {
            *entry = Some(pid);
        }
    }

    /// Sends an exit signal to the process of each connection.
    pub(super) fn signal(&self, reason: &Exit) {
        let pids: Vec<Pid> = self.lock().pids.values().filter_map(|pid| *pid).collect();
        for pid in pids {
            process::exit(pid, reason.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionEntry {
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        self.connections.lock().pids.remove(&self.key);
    }
}
