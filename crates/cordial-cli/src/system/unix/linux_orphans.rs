//! Reaps processes that this program inherits when their own parents end: as process 1 of a container, all processes of the
//! container; as a child subreaper, its descendants.
//!
//! ```text
//! at first:               cordial (process 1) ── command ── daemon
//! the command has ended:  cordial (process 1) ── daemon, which would stay a zombie when it ends
//! ```

use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use rustix::process::{Pid, child_subreaper, getpid};
use tokio::time;

use super::group_table::GroupTable;

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

/// Returns a child that has ended and was not reaped, if there is one.
pub(super) fn ended_child() -> Option<Pid> {
    let options = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let pid = waitid(Id::All, options).unwrap_or(WaitStatus::StillAlive).pid()?;
    Pid::from_raw(pid.as_raw())
}

/// Reaps a child that has ended.
pub(super) fn reap(pid: Pid) {
    // Fails only if the child was reaped before.
    let _ = waitpid(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()), Some(WaitPidFlag::WNOHANG));
}
