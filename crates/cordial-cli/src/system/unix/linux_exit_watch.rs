//! Waits for the exit of a process through a pidfd, a file that becomes readable when the process exits. Does not reap
//! the process.
//!
//! The system may refuse a pidfd, for example because too many files are open. Then a check every `PAUSE` finds out whether the
//! process has exited.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time;

/// Blocks SIGCHLD for this thread and all threads that it starts.
///
/// Nothing here uses the signal, but its delivery costs time: while a thread starts a command, libc blocks all signals
/// for that thread. If a child exits meanwhile, the kernel wakes another thread of the program, only to discard the
/// signal. With many commands at once, this happens for one child in three.
pub(crate) fn block_sigchld() {
    // `thread_block` fails only for a signal number that does not exist.
    let _ = SigSet::from(Signal::SIGCHLD).thread_block();
}

/// Unblocks SIGCHLD for a thread that starts commands, because a command inherits the
/// blocked signals of the thread that starts it.
pub(crate) fn unblock_sigchld() {
    let _ = SigSet::from(Signal::SIGCHLD).thread_unblock();
}

/// The pause between two checks whether a process has exited.
const PAUSE: Duration = Duration::from_millis(2);

/// Watches one process.
#[derive(Debug)]
pub(super) enum ExitWatch {
    Notified {
        pidfd: Arc<OwnedFd>,
        /// Registered with tokio by the first `wait_exit`. For a command that ends during `block_until_exit`, there is no such call.
        registered: Option<AsyncFd<Arc<OwnedFd>>>,
    },
    /// The system has refused a pidfd.
    Polled(Pid),
}

impl ExitWatch {
    /// Opens a pidfd, or prepares the checks if the system refuses it.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on other systems")]
    pub(super) fn new(pid: Pid) -> io::Result<ExitWatch> {
        Ok(match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => ExitWatch::Notified { pidfd: Arc::new(pidfd), registered: None },
            Err(_) => ExitWatch::Polled(pid),
        })
    }

    /// Blocks the thread until the process exits, at most for `timeout`, and returns whether it has exited. A signal to the thread may
    /// end the wait early, and false is returned.
    pub(super) fn block_until_exit(&self, timeout: Duration) -> bool {
        match self {
            ExitWatch::Notified { pidfd, .. } => {
                let timeout = Timespec::try_from(timeout).ok();
                matches!(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref()), Ok(1))
            }
            ExitWatch::Polled(pid) => {
                let mut left = timeout;
                while !has_exited(*pid) && !left.is_zero() {
                    thread::sleep(PAUSE);
                    left = left.saturating_sub(PAUSE);
                }
                has_exited(*pid)
            }
        }
    }

    /// Waits until the process exits, without a bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait_exit(&mut self) -> io::Result<()> {
        match self {
            ExitWatch::Notified { pidfd, registered } => {
                let registered = match registered {
                    Some(registered) => registered,
                    #[expect(
                        deprecated,
                        reason = "its replacement is an `unsafe fn`, because other code might close the file; this file is owned"
                    )]
                    empty => empty.insert(AsyncFd::with_interest(Arc::clone(pidfd), Interest::READABLE)?),
                };
                registered.readable().await?.retain_ready();
            }
            ExitWatch::Polled(pid) => {
                while !has_exited(*pid) {
                    time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a child has exited. Does not reap it. If `waitid` fails, the process is no longer a child, which
/// counts as exited.
fn has_exited(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(Errno::INTR))
}
