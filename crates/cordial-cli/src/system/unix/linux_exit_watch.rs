//! The end of a process, as a file that becomes readable. It does not reap.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Blocks SIGCHLD for this thread and all that it starts. Nobody here wants the signal, but the system wakes somebody for it, though only to
/// throw it away, where a child ends while the thread that started it has signals blocked, which it has during each start. With many
/// commands at once that is one of three.
pub(crate) fn be_deaf_to_ends() {
    // It fails only for signals that there are not.
    let _ = SigSet::from(Signal::SIGCHLD).thread_block();
}

/// For a thread that starts commands: they inherit what it blocks.
pub(crate) fn hear_ends() {
    let _ = SigSet::from(Signal::SIGCHLD).thread_unblock();
}

#[derive(Debug)]
pub(super) struct Ending {
    file: Arc<OwnedFd>,
    /// From the first wait on that is not done standing. Most commands never need it.
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Ending {
    /// # Errors
    ///
    /// When there are too many open files.
    pub(super) fn of(pid: Pid) -> io::Result<Ending> {
        Ok(Ending { file: Arc::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?), watched: None })
    }

    /// Whether the process ends in this time. The thread stands still meanwhile.
    pub(super) fn stand(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).ok();
        matches!(poll(&mut [PollFd::new(&self.file, PollFlags::IN)], limit.as_ref()), Ok(1))
    }

    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let watched = match &mut self.watched {
            Some(watched) => watched,
            #[expect(
                deprecated,
                reason = "its replacement is unsafe for what may be closed behind its back; this file is owned"
            )]
            empty => empty.insert(AsyncFd::with_interest(Arc::clone(&self.file), Interest::READABLE)?),
        };
        watched.readable().await?.retain_ready();
        Ok(())
    }
}
