//! Linux: asks the kernel whether a thread exists.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The identity of a thread of this program.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelThread(Pid);

impl KernelThread {
    pub(super) fn current() -> KernelThread {
        KernelThread(rustix::thread::gettid())
    }

    /// Returns whether the kernel has removed the thread, and counts it no more.
    pub(super) fn is_gone(self) -> bool {
        // The call accepts the id of any thread, and sends no signal.
        test_kill_process(self.0) == Err(Errno::SRCH)
    }
}
