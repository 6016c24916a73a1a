//! The table of running process groups: signals all of them at once, and keeps the guard informed.
//!
//! A group that was just started is not in the table yet. `kill_all` does not miss it: the table
//! remembers the kill, and `add` kills the group. Ctrl-Z would miss it, because this process is
//! suspended too, before it can add the group. Therefore a thread takes a `StartPermit` before it
//! starts a group and holds it until the group is in the table, and suspending waits, for three seconds
//! at most, until there are no permits.
//!
//! Until a new child has left the process group of `cordial`, Ctrl-Z stops the child as well. Its
//! start would then never end, and the permit would never be dropped. So `pre_exec` continues the
//! child; once it is in the table, it is stopped with the other groups.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nix::unistd::getpgrp;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use rustix::termios::tcgetpgrp;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};
use tokio::time;

use super::{orphans, pre_exec};

/// How often, and at which interval, `pause_starts` continues children that were stopped while they
/// were started. The wait is bounded, because a start may take long if its program is on a file
/// system that does not respond. A thread that starts a group may get no processor for a second.
const STOPPED_CHILD_CHECKS: u32 = 60;
const STOPPED_CHILD_INTERVAL: Duration = Duration::from_millis(50);

/// How long `reap_unknown` waits for the starts that have begun. A start may take long if its program is on a file system that does not
/// respond.
const REAP_WAIT: Duration = Duration::from_millis(20);

/// The table. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupTable {
    groups: Arc<Mutex<Groups>>,
    /// Read-locked while a group is started. Write-locked while all groups are suspended, and while inherited children are reaped.
    starts: Arc<RwLock<()>>,
}

/// Suspending the groups in the table waits, for three seconds at most, until this value is dropped.
#[derive(Debug)]
#[must_use = "without it, suspending would miss the group that is being started"]
pub(super) struct StartPermit<'a>(#[expect(dead_code, reason = "dropping it is its purpose")] RwLockReadGuard<'a, ()>);

/// While this value exists, no group is started.
#[derive(Debug)]
#[must_use = "without it, groups are started"]
pub(super) struct StartsPaused(#[expect(dead_code, reason = "dropping it is its purpose")] OwnedRwLockWriteGuard<()>);

#[derive(Debug, Default)]
struct Groups {
    running: HashSet<Pid>,
    /// Leaders that were killed, and had not exited when their groups were removed.
    unreaped: Vec<Pid>,
    /// The write end of the pipe to the guard; `None` without a guard.
    guard_pipe: Option<File>,
    /// Set when all groups were killed: later groups are killed as soon as they are added.
    is_killed: bool,
}

impl GroupTable {
    pub(crate) fn new(guard_pipe: Option<File>) -> Self {
        GroupTable { groups: Arc::new(Mutex::new(Groups { guard_pipe, ..Groups::default() })), ..GroupTable::default() }
    }

    /// Waits until a group may be started. Returns at once, unless this process is being suspended or reaps inherited children. In these
    /// cases it returns when the process was continued, or the children are reaped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn start_permit(&self) -> StartPermit<'_> {
        StartPermit(self.starts.read().await)
    }

    /// Waits until no group is being started, and prevents further starts. Returns `None` if a start takes longer than about
    /// three seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn pause_starts(&self) -> Option<StartsPaused> {
        let mut lock = pin!(Arc::clone(&self.starts).write_owned());
        for _ in 0..STOPPED_CHILD_CHECKS {
            if let Ok(lock) = time::timeout(STOPPED_CHILD_INTERVAL, &mut lock).await {
                return Some(StartsPaused(lock));
            }
            pre_exec::continue_stopped_children(|pid| self.lock().running.contains(&pid));
        }
        None
    }

    /// Adds a group that was started. If all groups have been killed, kills this one as well. Reaps the leaders of removed groups that
    /// have exited meanwhile.
    pub(super) fn add(&self, group: Pid) {
        let mut groups = self.lock();
        groups.unreaped.retain(|leader| matches!(waitpid(Some(*leader), WaitOptions::NOHANG), Ok(None)));
        groups.running.insert(group);
        groups.notify_guard(group.as_raw_nonzero().get());
        if groups.is_killed {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Removes a group that has ended, and then reaps its leader with `reap`: afterwards its id may belong to another
    /// process. `reap` is called with the table locked, so that `reap_unknown` cannot take the leader first.
    pub(super) fn remove<T>(&self, group: Pid, reap: impl FnOnce() -> T) -> T {
        let mut groups = self.lock();
        groups.remove(group);
        reap()
    }

    /// Removes a group that was killed, and reaps its leader: at once if it has exited, and otherwise when a later group is added.
    pub(super) fn remove_killed(&self, group: Pid) {
        let mut groups = self.lock();
        groups.remove(group);
        if let Ok(None) = waitpid(Some(group), WaitOptions::NOHANG) {
            groups.unreaped.push(group);
        }
    }

    /// Reaps ended children that lead no group of the table, until it finds one that does. Reaps none if a start takes longer than
    /// `REAP_WAIT`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no process is inherited"))]
    pub(super) async fn reap_unknown(&self) {
        // No child is between its start and its entry in the table. While this waits for a start, no other group is started.
        let Ok(_starts_paused) = time::timeout(REAP_WAIT, self.starts.write()).await else { return };
        let mut has_reaped = true;
        // A leader is reaped when its item ends. Until then the system may show it first each time, so that other ended children wait for
        // a later search.
        while std::mem::take(&mut has_reaped) {
            let mut groups = self.lock();
            for pid in orphans::ended_children() {
                if !groups.running.contains(&pid) {
                    groups.unreaped.retain(|leader| *leader != pid);
                    has_reaped |= orphans::reap(pid);
                }
            }
        }
    }

    /// Sends a signal to all running groups.
    pub(crate) fn signal(&self, signal: Signal) {
        for group in &self.lock().running {
            // Fails only if no process of the group is left, or all of them run as another user, for example after `sudo`.
            let _ = kill_process_group(*group, signal);
        }
    }

    /// Kills all running groups, and every group that is added later.
    pub(crate) fn kill_all(&self) {
        self.lock().is_killed = true;
        self.signal(Signal::KILL);
    }

    /// Returns whether the group of this program, or a running group, is in the foreground of the terminal.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "a shell is assumed to continue this program"))]
    pub(super) fn is_in_foreground(&self) -> bool {
        let Ok(terminal) = File::open("/dev/tty") else { return false };
        // A group gives the terminal back before it is removed. While the table is locked, none is removed.
        let groups = self.lock();
        let foreground = tcgetpgrp(&terminal).ok();
        foreground
            .is_some_and(|group| Pid::from_raw(getpgrp().as_raw()) == Some(group) || groups.running.contains(&group))
    }

    /// Returns whether no group is running.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().running.is_empty()
    }

    /// Closes the pipe to the guard, which then ends. If no group is left, the guard first receives the message that
    /// the run is over.
    pub(crate) fn dismiss_guard(&self) {
        let mut groups = self.lock();
        if groups.running.is_empty() {
            groups.notify_guard(0);
        }
        groups.guard_pipe = None;
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        // No code panics while it holds the lock.
        self.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Groups {
    fn remove(&mut self, group: Pid) {
        self.running.remove(&group);
        self.notify_guard(-group.as_raw_nonzero().get());
    }

    /// Sends a message to the guard, in the format that `guard` describes.
    fn notify_guard(&mut self, message: i32) {
        if let Some(pipe) = &mut self.guard_pipe
            && pipe.write_all(&message.to_ne_bytes()).is_err()
        {
            // The guard has ended. The run continues without it, as on systems that have none.
            self.guard_pipe = None;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_that_takes_long_does_not_delay_others_because_children_are_reaped() {
        let groups = GroupTable::default();
        let _slow_start = groups.start_permit().await;
        let both = async { tokio::join!(biased; groups.reap_unknown(), groups.start_permit()).1 };
        assert!(time::timeout(Duration::from_secs(20), both).await.is_ok());
    }
}
