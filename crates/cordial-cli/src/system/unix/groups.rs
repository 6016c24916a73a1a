//! The process groups that run: one table, so that all of them can be told something at once, and so that the guard knows them.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::process::{Pid, Signal, kill_process_group};

/// The table. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    running: HashSet<Pid>,
    /// The end of a pipe that the guard reads.
    guard: Option<File>,
    is_closed: bool,
}

impl Groups {
    pub(crate) fn new(guard: Option<File>) -> Self {
        Groups(Arc::new(Mutex::new(Table { guard, ..Table::default() })))
    }

    /// A group runs. If everything was killed meanwhile, it is killed as well.
    pub(super) fn add(&self, group: Pid) {
        let mut table = self.lock();
        table.running.insert(group);
        table.tell_guard(group.as_raw_nonzero().get());
        if table.is_closed {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// A group has ended. To be called before its number can belong to somebody else.
    pub(super) fn remove(&self, group: Pid) {
        let mut table = self.lock();
        table.running.remove(&group);
        table.tell_guard(-group.as_raw_nonzero().get());
    }

    /// Sends a signal to all that run.
    pub(crate) fn signal(&self, signal: Signal) {
        for group in &self.lock().running {
            // It fails only if the whole group has ended in this moment.
            let _ = kill_process_group(*group, signal);
        }
    }

    /// Kills all that run, and what is started from now on.
    pub(crate) fn kill_all(&self) {
        self.lock().is_closed = true;
        self.signal(Signal::KILL);
    }

    /// Whether nothing runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().running.is_empty()
    }

    /// Tells the guard that it is not needed any more.
    pub(crate) fn dismiss_guard(&self) {
        let mut table = self.lock();
        if table.running.is_empty() {
            table.tell_guard(0);
        }
        table.guard = None;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Table {
    fn tell_guard(&mut self, word: i32) {
        if let Some(guard) = &mut self.guard
            && guard.write_all(&word.to_ne_bytes()).is_err()
        {
            // Somebody killed it. What runs is then as safe as it is elsewhere.
            self.guard = None;
        }
    }
}
