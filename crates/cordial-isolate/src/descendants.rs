//! Kills the processes that a worker has started, including those that have left its process group (`setsid`, `setpgid`).
//!
//! ```text
//!  pool ─► worker ─► setsid ─► sleep          the worker has an environment variable, its mark, which sleep inherits
//!  the worker ends: sleep becomes a child of an ancestor of the worker, and is found there by the mark
//! ```
//!
//! The kernel gives an orphan a new parent: its nearest ancestor that is a subreaper, or `init`. So it is enough to search the children of the
//! ancestors, instead of every process of the machine.
//!
//! The search is best effort. It does not find an orphan whose program was executed without the variable. It finds nothing if `/proc` does
//! not list children, or if `/proc` belongs to another PID namespace, where the same numbers stand for other processes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid};

use crate::kernel::{PAUSE, proc_is_own, stat_column};

/// How often one call of `kill_all` searches at most. It searches more than once, because a process may start another one just before it is
/// killed.
const PASSES: usize = 20;

/// How long to wait until the processes that were killed in one pass have ended. On a busy machine, a killed process may have to wait for a
/// core before it ends. A process that has not ended after this time is assumed to hang in the kernel.
pub(crate) const WAIT_AFTER_KILL: Duration = Duration::from_millis(500);

/// How many pauses of 1 ms one call of `kill_orphans` makes at most, each before it reads an empty environment again.
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
        // A killed process may have started another one just before it was killed. That one is certain to be found only after its parent has
        // ended, when it is an orphan. So the next search begins after the killed processes have ended.
        let mut limit = WAIT_AFTER_KILL;
        for process in &found {
            let timeout = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
            let ended = poll(&mut [PollFd::from_borrowed_fd(process.pidfd.as_fd(), PollFlags::IN)], Some(&timeout));
            if ended == Ok(0) {
                // The remaining processes had the same time to end, so the loop does not wait for them any longer.
                limit = Duration::ZERO;
            }
            // The killed process may be a child of this one, for example an orphan that the kernel has moved here. Nothing else reaps it.
            let _ = waitid(WaitId::PidFd(process.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
}

/// Adds a process and its descendants, if `is_wanted` returns `true` for its number. `is_wanted` is called only after the descriptor was
/// opened, because before that the number may be reused for another process.
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

/// Returns this process, all of its ancestors, and `init`.
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

/// Returns the children of a process: `/proc` has a list of them for each thread of the process.
fn children(os_pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{os_pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|child| child.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Returns whether a process has this variable in its environment. The environment of a process that has exited is empty. That of a process
/// in `exec` is empty for a moment, so it is read again after a pause, as long as there are pauses left.
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
