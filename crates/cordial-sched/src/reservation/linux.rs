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

    /// Returns whether the kernel has removed the thread, and no longer counts it. A thread that was joined is taken for gone
    /// if its number is unknown.
    pub(super) fn is_gone(self) -> bool {
        // The call accepts the id of any thread, and sends no signal.
        self.0.is_none_or(|thread| test_kill_process(thread.id) == Err(Errno::SRCH))
    }
}
