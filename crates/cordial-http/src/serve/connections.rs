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
    /// Whether the connections were asked to shut down.
    is_stopping: bool,
    open: BTreeMap<u64, ConnectionState>,
}

#[derive(Debug, Default)]
struct ConnectionState {
    /// `None` while the process is being started.
    pid: Option<Pid>,
    /// Whether the process has opted in to graceful shutdown, which it does in its first poll. Before that, a request to shut down
    /// would end it.
    has_opted_in: bool,
}

/// An entry of the list. The process of the connection owns it, and its drop removes the connection from the list.
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
        list.open.insert(key, ConnectionState::default());
        ConnectionEntry { key, connections: self.clone(), _open: open.clone() }
    }

    /// Sets the process of a connection, unless that process has exited already.
    pub(super) fn started(&self, key: u64, pid: Pid) {
        if let Some(connection) = self.lock().open.get_mut(&key) {
            connection.pid = Some(pid);
        }
    }

    /// Asks the process of each connection to shut down. A process that has not opted in yet asks itself when it does.
    pub(super) fn shut_down(&self) {
        let mut list = self.lock();
        list.is_stopping = true;
        let opted_in = list.open.values().filter(|connection| connection.has_opted_in);
        let pids: Vec<Pid> = opted_in.filter_map(|connection| connection.pid).collect();
        drop(list);
        signal(pids, &Exit::Shutdown(None));
    }

    /// Kills the process of each connection whose process has started.
    pub(super) fn kill(&self) {
        let pids: Vec<Pid> = self.lock().open.values().filter_map(|connection| connection.pid).collect();
        signal(pids, &Exit::Killed);
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal(pids: Vec<Pid>, reason: &Exit) {
    for pid in pids {
        process::exit(pid, reason.clone());
    }
}

impl ConnectionEntry {
    /// Called by the process of the connection once it has opted in to graceful shutdown. Asks that process to shut down if
    /// the other connections were asked before.
    pub(super) fn opted_in(&self) {
        let pid = process::current();
        let is_stopping = {
            let mut list = self.connections.lock();
            if let Some(connection) = list.open.get_mut(&self.key) {
                *connection = ConnectionState { pid, has_opted_in: true };
            }
            list.is_stopping
        };
        if is_stopping {
            signal(pid.into_iter().collect(), &Exit::Shutdown(None));
        }
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        self.connections.lock().open.remove(&self.key);
    }
}
