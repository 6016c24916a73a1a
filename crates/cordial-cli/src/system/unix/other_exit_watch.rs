//! The end of a process, by asking whenever some child has ended. It does not reap.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Does nothing: the signal of a child's end is what tells of it here.
pub(crate) fn be_deaf_to_ends() {}

pub(crate) fn hear_ends() {}

#[derive(Debug)]
pub(super) struct Ending {
    pid: Pid,
    children: Signal,
}

impl Ending {
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(super) fn of(pid: Pid) -> io::Result<Ending> {
        Ok(Ending { pid, children: signal(SignalKind::child())? })
    }

    /// Nothing here can be waited for with a limit by a thread that stands still: whoever asks goes on to wait as others do.
    pub(super) fn stand(&self, _: Duration) -> bool {
        false
    }

    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let asked = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(self.pid), asked)?.is_none() {
            self.children.recv().await;
        }
        Ok(())
    }
}
