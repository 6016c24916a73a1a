//! Why a supervisor stops.

use std::sync::Arc;

use crate::exit::Exit;

/// Why a supervisor stops.
#[derive(Clone, Debug)]
pub(super) enum StopReason {
    /// `stop` was called on a handle, or the future that awaited the start was dropped.
    Stopped,
    /// It was asked to shut down with this exit: by its parent, by the stop of the program or of the runtime, or by `process::exit`.
    ShutdownRequested(Exit),
    /// The process that owns it has exited.
    OwnerExited,
    /// It was killed.
    Killed,
    /// It exceeded its restart intensity, or a child has failed too often in a row. The exit names the child.
    RestartLimit(Exit),
    /// Significant children have exited.
    AutoShutdown,
    /// A child failed to start while the supervisor was starting. The text describes the failure.
    StartFailed(Arc<str>),
}

impl StopReason {
    /// Returns the exit of a supervisor that stopped for this reason.
    pub(super) fn into_exit(self) -> Exit {
        match self {
            StopReason::Stopped => Exit::Normal,
            StopReason::ShutdownRequested(exit) | StopReason::RestartLimit(exit) => exit,
            StopReason::OwnerExited | StopReason::AutoShutdown => Exit::Shutdown(None),
            StopReason::Killed => Exit::Killed,
            StopReason::StartFailed(text) => Exit::Shutdown(Some(text)),
        }
    }
}
