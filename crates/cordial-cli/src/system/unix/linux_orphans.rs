//! Reaps processes that this program inherits when their own parents end: as process 1 of a container, all processes of the
//! container; as a child subreaper, its descendants.
//!
//! ```text
//! at first:               cordial (process 1) ── command ── daemon
//! the command has ended:  cordial (process 1) ── daemon, which would stay a zombie when it ends
//! ```

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::process::{Pid, WaitOptions, child_subreaper, getpid, waitpid};
use tokio::time;

use super::group_table::GroupTable;
use super::processes::Processes;

/// The time between two searches for inherited processes that have ended.
const INTERVAL: Duration = Duration::from_millis(200);

/// Reaps inherited processes for as long as the future is polled, if this program inherits any. Never returns.
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
pub(crate) async fn reap_orphans(groups: &GroupTable) {
    if getpid() != Pid::INIT && !child_subreaper().is_ok_and(|pid| pid.is_some()) {
        return std::future::pending().await;
    }
    loop {
        time::sleep(INTERVAL).await;
        groups.reap_unknown().await;
    }
}

/// Returns children that have ended and were not reaped: at least one, if there are any.
pub(super) fn ended_children() -> Vec<Pid> {
    let options = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, options) {
        Ok(status) => status.pid().and_then(|pid| Pid::from_raw(pid.as_raw())).into_iter().collect(),
        // `nix` has no value for a real-time signal, so it does not say which child such a signal has ended. The search through all
        // processes takes longer.
        Err(Errno::EINVAL) => zombies(),
        // There is no child.
        Err(_) => Vec::new(),
    }
}

/// Returns the children that have ended, as `/proc` shows them.
fn zombies() -> Vec<Pid> {
    let Some(processes) = Processes::new() else { return Vec::new() };
    let Some(own) = Processes::own().and_then(|own| own.number()) else { return Vec::new() };
    let ended = Processes::all().filter(|process| process.state == 'Z' && process.parent == own);
    ended.filter_map(|process| processes.pid(&process)).collect()
}

/// Reaps a child that has ended. Returns false if it cannot be reaped, because some of its threads still run.
pub(super) fn reap(pid: Pid) -> bool {
    matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_)))
}
