//! The OS process of a worker, as its pool signals it and waits for it.
//!
//! A worker may be reaped before its pool does it: if the program ignores SIGCHLD, the kernel reaps a worker as soon as it exits, and a program may
//! wait for all of its child processes. From then on, another process may get the number of the worker. So the worker is signaled by its
//! descriptor, which always names this process. A group has no descriptor, only the number of its leader: no other process gets that number
//! while the group has a member.

use std::os::fd::OwnedFd;

use nix::unistd;
use rustix::io::{Errno, Result};
use rustix::process::{Pid, Signal, WaitIdOptions, WaitIdStatus, kill_process_group, test_kill_process, waitid};

use crate::kernel;

/// The OS process of a worker. It is the leader of its group when it starts.
#[derive(Debug)]
pub(super) struct OsProcess {
    pub(super) id: Pid,
    /// Becomes readable when the process has exited. `None` if the system has no such descriptor; then `status` is called often.
    pub(super) descriptor: Option<OwnedFd>,
}

impl OsProcess {
    /// Returns the process that was just started, and has this number.
    pub(super) fn new(id: Pid) -> OsProcess {
        OsProcess { id, descriptor: kernel::exit_descriptor(id) }
    }

    /// Returns how the process has exited, and does not reap it. `None` while it runs.
    ///
    /// # Errors
    ///
    /// [`Errno::CHILD`] if it was reaped.
    pub(super) fn status(&self) -> Result<Option<WaitIdStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(kernel::wait_id(self.id, self.descriptor.as_ref()), options)
    }

    pub(super) fn is_reaped(&self) -> bool {
        matches!(self.status(), Err(Errno::CHILD))
    }

    /// Sends a signal to the process, and to the processes of its group. Returns the error about the process itself.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let is_reaped = self.is_reaped();
        if is_reaped && test_kill_process(self.id) != Err(Errno::SRCH) {
            // Another process has the number, so the group had no member any more.
            return Ok(());
        }
        // Most errors mean that it has exited.
        let _ = kill_process_group(self.id, signal);
        if is_reaped {
            return Ok(());
        }
        // A function may have moved the worker to another group. A second SIGTERM would run its handler twice.
        let id = unistd::Pid::from_raw(self.id.as_raw_pid());
        // The function of `nix`: a group that was made outside the PID namespace has the number 0, which a `Pid` of `rustix` cannot hold.
        if signal != Signal::KILL && unistd::getpgid(Some(id)) == Ok(id) {
            return Ok(());
        }
        kernel::send_signal(self.id, self.descriptor.as_ref(), signal)
    }
}
