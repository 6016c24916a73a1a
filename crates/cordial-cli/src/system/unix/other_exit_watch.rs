//! Waits for the exit of a process by checking it after each SIGCHLD. Does not reap the process.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Does nothing: SIGCHLD is needed to notice exits.
pub(crate) fn block_sigchld() {}

/// Does nothing.
pub(crate) fn unblock_sigchld() {}

/// Watches one process.
#[derive(Debug)]
pub(super) struct ExitWatch {
    pid: Pid,
    children: Signal,
}

impl ExitWatch {
    /// Installs a handler for SIGCHLD.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(super) fn new(pid: Pid) -> io::Result<ExitWatch> {
        Ok(ExitWatch { pid, children: signal(SignalKind::child())? })
    }

    /// Returns at once whether the process has exited, because `waitid` has no timeout.
    pub(super) fn block_until_exit(&self, _: Duration) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        matches!(waitid(WaitId::Pid(self.pid), options), Ok(Some(_)))
    }

    /// Waits until the process exits, without a bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait_exit(&mut self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(self.pid), options)?.is_none() {
            self.children.recv().await;
        }
        Ok(())
    }
}
