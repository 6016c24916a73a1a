//! The processes that are asked to shut down together: the connections of a server, or the streams of a connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordial::{Exit, Pid, process};

/// A list of processes that opt in to graceful shutdown.
#[derive(Debug, Default)]
pub(super) struct ProcessList {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next_key: u64,
    /// Whether the processes were asked to shut down.
    is_stopping: bool,
    open: BTreeMap<u64, ProcessState>,
}

#[derive(Debug, Default)]
struct ProcessState {
    /// `None` while the process is being started.
    pid: Option<Pid>,
    /// Whether the process has opted in to graceful shutdown, which it does in its first poll. Before that, a request to shut down
    /// would end it.
    has_opted_in: bool,
}

/// An entry of the list. The process owns it, and its drop removes the process from the list.
#[derive(Debug)]
pub(super) struct ProcessEntry {
    key: u64,
    processes: Arc<ProcessList>,
}

impl ProcessList {
    /// Adds a process that is about to start.
    pub(super) fn add(self: &Arc<ProcessList>) -> ProcessEntry {
        let mut list = self.lock();
        let key = list.next_key;
        list.next_key += 1;
        list.open.insert(key, ProcessState::default());
        ProcessEntry { key, processes: self.clone() }
    }

    /// Sets the pid of a process, unless that process has exited already.
    pub(super) fn started(&self, key: u64, pid: Pid) {
        if let Some(process) = self.lock().open.get_mut(&key) {
            process.pid = Some(pid);
        }
    }

    /// Asks each process to shut down. A process that has not opted in yet asks itself when it does.
    pub(super) fn shut_down(&self) {
        let mut list = self.lock();
        list.is_stopping = true;
        let opted_in = list.open.values().filter(|process| process.has_opted_in);
        let pids: Vec<Pid> = opted_in.filter_map(|process| process.pid).collect();
        drop(list);
        signal(pids, &Exit::Shutdown(None));
    }

    /// Kills each process that has started.
    pub(super) fn kill(&self) {
        let pids: Vec<Pid> = self.lock().open.values().filter_map(|process| process.pid).collect();
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

impl ProcessEntry {
    /// Called by the process once it has opted in to graceful shutdown. Asks that process to shut down if the others were asked
    /// before.
    pub(super) fn opted_in(&self) {
        let pid = process::current();
        let is_stopping = {
            let mut list = self.processes.lock();
            if let Some(process) = list.open.get_mut(&self.key) {
                *process = ProcessState { pid, has_opted_in: true };
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

impl Drop for ProcessEntry {
    fn drop(&mut self) {
        self.processes.lock().open.remove(&self.key);
    }
}
