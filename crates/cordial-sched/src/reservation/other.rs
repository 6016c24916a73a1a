//! Systems that are not asked whether a thread exists.

/// The identity of a thread of this program.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelThread;

impl KernelThread {
    pub(super) fn current() -> KernelThread {
        KernelThread
    }

    /// Returns true: a thread that was joined is taken for gone.
    pub(super) fn is_gone(self) -> bool {
        true
    }
}
