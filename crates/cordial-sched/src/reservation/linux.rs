//! Linux: asks the kernel whether a thread exists.

use rustix::io::Errno;
use rustix::process::test_kill_process;

use crate::thread::{KernelId, kernel_id};

/// The identity of a thread of this program.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelThread(Option<KernelId>);

impl KernelThread {
    pub(super) fn current() -> KernelThread {
        KernelThread(kernel_id())
    }

    /// Returns whether the kernel no longer counts the thread, which was joined. Returns true if its number is unknown.
    pub(super) fn is_gone(self) -> bool {
        // `kill` without a signal, which accepts the id of any thread, not only of a process.
        self.0.is_none_or(|thread| test_kill_process(thread.id) == Err(Errno::SRCH))
    }
}
