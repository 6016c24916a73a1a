//! The end of a process, as a file that becomes readable. It does not reap.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

#[derive(Debug)]
pub(super) struct Ending(AsyncFd<OwnedFd>);

impl Ending {
    /// # Errors
    ///
    /// When there are too many open files.
    pub(super) fn of(pid: Pid) -> io::Result<Ending> {
        let file = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe for what may be closed behind its back; this file is owned"
        )]
        let file = AsyncFd::with_interest(file, Interest::READABLE)?;
        Ok(Ending(file))
    }

    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        self.0.readable().await?.retain_ready();
        Ok(())
    }
}
