//! How far a process has come on the way from its first poll to its exit.
//!
//! ```text
//!             request, kill, exit of a link
//!  Running ────────────────────────────────────► Exiting ──► removed from the table
//!     │ first poll of `shutdown_requested`,         ▲
//!     ▼ or traps exits                              │
//!  OptedIn ─── kill, exit of a link ────────────────┤
//!     │ request                                     │
//!     ▼                                             │
//!  Requested ── kill, exit of a link ───────────────┘
//! ```
//!
//! A process also becomes `Exiting` when it calls `exit`. In any state, it ends when its future is
//! ready or panics: then it is removed from the table at once.

use crate::exit::Exit;

/// How far a process has come on the way to its exit. It never goes back.
#[derive(Debug)]
pub(crate) enum ShutdownState {
    /// A request to shut down ends the process at its current await point.
    Running,
    /// The process opted in to graceful shutdown: a request does not end it.
    OptedIn,
    /// The process opted in, and has been asked to shut down.
    Requested,
    /// The process ends with this exit when its current poll returns.
    Exiting {
        exit: Box<Exit>,
        cause: ExitCause,
        /// Whether the process was asked to shut down before.
        was_requested: bool,
    },
}

/// Who decided that a process exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCause {
    /// A signal: sent by any process or thread, or caused by the exit of a linked process.
    Signal,
    /// The process called `exit`.
    Own,
}

impl ShutdownState {
    /// The process opts in to graceful shutdown, unless it is exiting.
    pub(crate) fn opt_in(&mut self) {
        if let ShutdownState::Running = self {
            *self = ShutdownState::OptedIn;
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        matches!(self, ShutdownState::Requested | ShutdownState::Exiting { was_requested: true, .. })
    }

    pub(crate) fn is_exiting(&self) -> bool {
        matches!(self, ShutdownState::Exiting { .. })
    }

    /// Returns the exit of a process that is exiting.
    pub(crate) fn into_exit(self) -> Option<Exit> {
        match self {
            ShutdownState::Exiting { exit, .. } => Some(*exit),
            ShutdownState::Running | ShutdownState::OptedIn | ShutdownState::Requested => None,
        }
    }
}

#[cfg(test)]
mod tests;
