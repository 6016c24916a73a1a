//! How far a process has come on the way from its spawn to its exit.
//!
//! ```text
//!  Running ──────────── request, kill, exit ─────────────► Exiting ──► removed from the table
//!   │   │  ▲ last guard is dropped                         ▲ ▲ ▲ ▲
//!   │   ▼  │                                               │ │ │ │
//!   │  Deferring ─────── kill, exit ───────────────────────┘ │ │ │
//!   │   │   │ request                                        │ │ │
//!   │   │   ▼                                                │ │ │
//!   │   │  Deferred ──── last guard is dropped, kill, exit ──┘ │ │
//!   │   │   │                                                  │ │
//!   ▼   ▼   │ calls `shutdown_requested`, or traps exits       │ │
//!  OptedIn ─┼─────────── kill, exit ───────────────────────────┘ │
//!   │ request                                                    │
//!   ▼       ▼                                                    │
//!  Requested ─────────── kill, exit ─────────────────────────────┘
//! ```
//!
//! `defer_shutdown` leads from `Running` to `Deferring`. An *exit* in the figure is a signal that ends the process (sent to it,
//! or from a linked process that has ended), or a call of `exit`. In any state, the process ends when its future is ready or
//! panics: it is then removed from the table without becoming `Exiting`.

use crate::exit::Exit;

/// How far a process has come on the way to its exit. It goes back only from `Deferring` to `Running`.
#[derive(Debug)]
pub(crate) enum ShutdownState {
    /// A request to shut down ends the process at its current await point.
    Running,
    /// The process has guards that defer requests.
    Deferring { n_guards: u32 },
    /// The process has such guards, and has been asked to shut down: it ends with this exit when the last guard is dropped.
    Deferred { n_guards: u32, exit: Box<Exit> },
    /// The process opted in to graceful shutdown: a request does not end it.
    OptedIn,
    /// The process opted in, and has been asked to shut down.
    Requested,
    /// The process ends when its current poll returns, or else in its next poll: with this exit, unless it panics.
    Exiting {
        exit: Box<Exit>,
        cause: ExitCause,
        /// Whether the process was asked to shut down before.
        was_requested: bool,
    },
}

/// What a process does when it is asked to shut down.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRequest {
    /// It exits at its current await point.
    Exits,
    /// It is notified, and continues to run.
    RunsOn,
}

/// Why a process exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCause {
    /// A signal: sent by any process or thread, or caused by the exit of a linked process.
    Signal,
    /// The process called `exit`.
    Own,
}

impl ShutdownState {
    /// Opts the process in to graceful shutdown for the rest of its life, unless it is exiting.
    pub(crate) fn opt_in(&mut self) {
        match self {
            ShutdownState::Running | ShutdownState::Deferring { .. } => *self = ShutdownState::OptedIn,
            ShutdownState::Deferred { .. } => *self = ShutdownState::Requested,
            ShutdownState::OptedIn | ShutdownState::Requested | ShutdownState::Exiting { .. } => {}
        }
    }

    /// Counts a new guard that defers requests. Guards are not counted once the process has opted in or is exiting.
    pub(crate) fn defer(&mut self) {
        match self {
            ShutdownState::Running => *self = ShutdownState::Deferring { n_guards: 1 },
            ShutdownState::Deferring { n_guards } | ShutdownState::Deferred { n_guards, .. } => {
                *n_guards = n_guards.saturating_add(1);
            }
            ShutdownState::OptedIn | ShutdownState::Requested | ShutdownState::Exiting { .. } => {}
        }
    }

    /// Records that a guard was dropped. Returns the exit with which the process ends because of that.
    #[must_use = "the process ends with this exit"]
    pub(crate) fn end_deferral(&mut self) -> Option<Box<Exit>> {
        let (ShutdownState::Deferring { n_guards } | ShutdownState::Deferred { n_guards, .. }) = self else {
            return None;
        };
        *n_guards -= 1;
        if *n_guards > 0 {
            return None;
        }
        match std::mem::replace(self, ShutdownState::Running) {
            ShutdownState::Deferred { exit, .. } => {
                *self = ShutdownState::Requested;
                Some(exit)
            }
            _ => None,
        }
    }

    /// Asks the process to shut down with this exit. The process must not be exiting.
    pub(crate) fn request(&mut self, reason: &Exit) -> OnRequest {
        match *self {
            ShutdownState::Running => {
                *self = ShutdownState::Requested;
                OnRequest::Exits
            }
            ShutdownState::Deferring { n_guards } => {
                *self = ShutdownState::Deferred { n_guards, exit: Box::new(reason.clone()) };
                OnRequest::RunsOn
            }
            ShutdownState::OptedIn => {
                *self = ShutdownState::Requested;
                OnRequest::RunsOn
            }
            ShutdownState::Deferred { .. } | ShutdownState::Requested => OnRequest::RunsOn,
            ShutdownState::Exiting { .. } => unreachable!("no signal is applied to a process that is exiting"),
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        matches!(
            self,
            ShutdownState::Deferred { .. }
                | ShutdownState::Requested
                | ShutdownState::Exiting { was_requested: true, .. }
        )
    }

    pub(crate) fn is_exiting(&self) -> bool {
        matches!(self, ShutdownState::Exiting { .. })
    }

    /// Returns the exit of a process that is exiting.
    pub(crate) fn into_exit(self) -> Option<Exit> {
        match self {
            ShutdownState::Exiting { exit, .. } => Some(*exit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
