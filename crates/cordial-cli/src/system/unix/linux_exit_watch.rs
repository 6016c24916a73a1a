//! Waits for the exit of a process through a pidfd, a file that becomes readable when the process exits. Does not reap
//! the process.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Blocks SIGCHLD for this thread and all threads that it starts.
///
/// Nothing here uses the signal, but its delivery costs time: while a thread starts a command, libc blocks all its
/// signals. If a child exits then, the kernel wakes another thread, which discards the signal. With many commands at
/// once that happens for one child in three.
pub(crate) fn block_sigchld() {
    // Fails only for a signal number that does not exist.
    let _ = SigSet::from(Signal::SIGCHLD).thread_block();
}

/// Unblocks SIGCHLD for a thread that starts commands, because they inherit the blocked signals.
pub(crate) fn unblock_sigchld() {
    let _ = SigSet::from(Signal::SIGCHLD).thread_unblock();
}

/// Watches one process.
#[derive(Debug)]
pub(super) struct ExitWatch {
    pidfd: Arc<OwnedFd>,
    /// Registered with tokio by the first `wait_exit`. A command that ends during `block_until_exit` never needs it.
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl ExitWatch {
    /// Opens a pidfd.
    ///
    /// # Errors
    ///
    /// When too many files are open.
    pub(super) fn new(pid: Pid) -> io::Result<ExitWatch> {
        Ok(ExitWatch { pidfd: Arc::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?), registered: None })
    }

    /// Blocks the thread until the process exits, at most for `timeout`, and returns whether it has exited.
    pub(super) fn block_until_exit(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        matches!(poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], timeout.as_ref()), Ok(1))
    }

    /// Waits until the process exits, without a bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait_exit(&mut self) -> io::Result<()> {
        let registered = match &mut self.registered {
            Some(registered) => registered,
            #[expect(
                deprecated,
                reason = "its replacement is unsafe, for files that other code may close; this file is owned"
            )]
            empty => empty.insert(AsyncFd::with_interest(Arc::clone(&self.pidfd), Interest::READABLE)?),
        };
        registered.readable().await?.retain_ready();
        Ok(())
    }
}
