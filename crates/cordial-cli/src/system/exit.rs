//! How a process exits, and how a thread waits for that.

/// How a process ended, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Termination {
    /// It exited with this status.
    Exited(i32),
    /// A signal with this number killed it.
    Signaled(i32),
}

/// How a thread waits for a process that may exit soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitMode {
    /// The thread blocks. This is cheaper, and right for a thread that runs one command at a time.
    Blocking,
    /// The task yields, so that the thread can attend to its other commands.
    Async,
}
