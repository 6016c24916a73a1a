//! The process groups that run: one table, so that all of them can be told something at once, and so that the guard knows them.
//!
//! A group that has just been started is not in the table yet. A kill does not miss it: it is killed when it comes there. A stop would, since
//! we stop as well. So whoever starts a group keeps stops away until it is in the table. What a terminal sends may have reached such a
//! child all the same, and then its start waits for it: it is let go on (`newborn`), to be stopped with the others.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};
use tokio::time;

use super::pre_exec;

/// How often, and at what distance, a stop that waits for groups which are being started looks for those that are stopped already. It does
/// not wait for ever: a program may stand on a disk that does not answer.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);

/// The table. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    table: Arc<Mutex<Table>>,
    /// Read by those who start groups, written by who stops them all.
    starts: Arc<RwLock<()>>,
}

/// While this is there, no group is stopped together with the others.
#[derive(Debug)]
#[must_use = "a group that is being started would not be stopped"]
pub(super) struct Starting<'a>(#[expect(dead_code, reason = "its drop is its purpose")] RwLockReadGuard<'a, ()>);

/// While this is there, no group is started.
#[derive(Debug)]
#[must_use = "groups would be started"]
pub(super) struct Held(#[expect(dead_code, reason = "its drop is its purpose")] OwnedRwLockWriteGuard<()>);

#[derive(Debug, Default)]
struct Table {
    running: HashSet<Pid>,
    /// The end of a pipe that the guard reads.
    guard: Option<File>,
    is_closed: bool,
}

impl Groups {
    pub(crate) fn new(guard: Option<File>) -> Self {
        Groups { table: Arc::new(Mutex::new(Table { guard, ..Table::default() })), ..Groups::default() }
    }

    /// Waits until groups may be started: nearly always at once, but for the moment before we stop, and longer only if nobody lets us go on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn starting(&self) -> Starting<'_> {
        Starting(self.starts.read().await)
    }

    /// Waits until no group is being started, and lets none be started from there on. `None` if a start takes too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn hold(&self) -> Option<Held> {
        let mut held = pin!(Arc::clone(&self.starts).write_owned());
        for _ in 0..LOOKS {
            if let Ok(held) = time::timeout(LOOK, &mut held).await {
                return Some(Held(held));
            }
            pre_exec::let_go_on(|pid| self.lock().running.contains(&pid));
        }
        None
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
        self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
