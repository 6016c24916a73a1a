//! Kills the processes that a worker has started, also those that have left its process group (`setsid`, `setpgid`).
//!
//! ```text
//!  pool ─► worker ─► setsid ─► sleep          the worker has an environment variable, its mark, which sleep inherits
//!  the worker ends: sleep becomes a child of an ancestor of the worker, and is found there by the mark
//! ```
//!
//! The kernel gives an orphan a new parent: its nearest ancestor that is a subreaper, or `init`. So it is enough to search the children of the
//! ancestors, instead of every process of the machine.
//!
//! An orphan is not found if it was executed without the variable, if `/proc` does not list children, or if `/proc` belongs to another PID
//! namespace, where the numbers mean other processes. So the search is best effort.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid};

use crate::kernel::{PAUSE, proc_is_own, stat_column};

/// The most searches of one call of `kill_all`: a process may start another one while it is being killed.
const PASSES: usize = 20;

/// How long to wait for the processes that were killed in one pass. On a busy machine, a killed process may wait for a core before it ends. A
/// process that has not ended after this time hangs in the kernel.
pub(crate) const WAIT_AFTER_KILL: Duration = Duration::from_millis(500);

/// The most pauses of 1 ms that one call of `kill_orphans` makes for processes whose environment is empty.
const PAUSES: u32 = 5;

/// A process that is to be killed. Its descriptor always names this process, but its number may be reused for another one.
struct Descendant {
    os_pid: i32,
    pidfd: OwnedFd,
}

/// Kills the orphans that have this variable in their environment, and all of their descendants. `mark` is `NAME=value`.
pub(crate) fn kill_orphans(mark: &str) {
    let pauses = Cell::new(PAUSES);
    let is_wanted = |child| has_variable(child, mark, &pauses);
    kill_all(|found| {
        for ancestor in ancestors() {
            for child in children(ancestor) {
                if is_wanted(child) {
                    add_tree(child, &mut { is_wanted }, found);
                }
            }
        }
    });
}

/// Kills all descendants of this process, whatever their environment is.
pub(crate) fn kill_own() {
    let own = own();
    kill_all(|found| {
        for child in children(own) {
            add_tree(child, &mut |child| parent(child) == Some(own), found);
        }
    });
}

fn own() -> i32 {
    getpid().as_raw_nonzero().get()
}

/// Kills the processes that `find` adds. Repeats this until `find` adds no new one, at most [`PASSES`] times.
fn kill_all(find: impl Fn(&mut Vec<Descendant>)) {
    if !proc_is_own() {
        return;
    }
    let mut killed = BTreeSet::new();
    for _ in 0..PASSES {
        let mut found = Vec::new();
        find(&mut found);
        found.retain(|process| process.os_pid != own() && killed.insert(process.os_pid));
        if found.is_empty() {
            return;
        }
        for process in &found {
            let _ = pidfd_send_signal(&process.pidfd, Signal::KILL);
        }
        // A killed process may have started another one meanwhile, which becomes an orphan, and can be found, only after its parent has ended.
        let mut limit = WAIT_AFTER_KILL;
        for process in &found {
            let timeout = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
            let ended = poll(&mut [PollFd::from_borrowed_fd(process.pidfd.as_fd(), PollFlags::IN)], Some(&timeout));
            if ended == Ok(0) {
                // The other processes had the same time to end, so the loop does not wait for them.
                limit = Duration::ZERO;
            }
            // An orphan may have become a child of this program. Nothing else reaps it.
            let _ = waitid(WaitId::PidFd(process.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
}

/// Adds a process and its descendants. `is_wanted` is called only after the descriptor was opened: until then, the number may be reused for
/// another process.
fn add_tree(os_pid: i32, is_wanted: &mut dyn FnMut(i32) -> bool, found: &mut Vec<Descendant>) {
    let Some(pid) = Pid::from_raw(os_pid) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if !is_wanted(os_pid) || found.iter().any(|process| process.os_pid == os_pid) {
        return;
    }
    found.push(Descendant { os_pid, pidfd });
    for child in children(os_pid) {
        add_tree(child, &mut |child| parent(child) == Some(os_pid), found);
    }
}

/// Returns this process, its parent, and so on, and `init`.
fn ancestors() -> Vec<i32> {
    let mut ancestors = vec![own()];
    while let Some(parent) = ancestors.last().and_then(|last| parent(*last)).filter(|parent| *parent > 1) {
        ancestors.push(parent);
    }
    ancestors.push(1);
    ancestors
}

/// Returns the parent of a process.
fn parent(os_pid: i32) -> Option<i32> {
    stat_column(os_pid, 1)?.parse().ok()
}

/// Returns the children of a process, those of all of its threads.
fn children(os_pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{os_pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|child| child.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Returns whether a process has this variable in its environment. A process that has exited has no environment. During
/// `exec`, a process has none for a moment, so an empty environment is read again as long as there are pauses left.
fn has_variable(os_pid: i32, mark: &str, pauses: &Cell<u32>) -> bool {
    loop {
        let Ok(environment) = fs::read(format!("/proc/{os_pid}/environ")) else { return false };
        if !environment.is_empty() {
            return environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        }
        let has_exited = stat_column(os_pid, 0).is_none_or(|state| state == "Z" || state == "X");
        let Some(left) = pauses.get().checked_sub(1).filter(|_| !has_exited) else { return false };
        pauses.set(left);
        let _ = poll(&mut [], Some(&PAUSE));
    }
}
