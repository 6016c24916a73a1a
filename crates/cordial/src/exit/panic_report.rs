//! The report of a panic.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;

use super::Location;
use crate::pid::Pid;

/// The panic that ended a process.
pub struct PanicReport {
    pub(crate) message: String,
    pub(crate) location: Location,
    pub(crate) thread: String,
    pub(crate) backtrace: Option<Backtrace>,
    pub(crate) pid: Pid,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) spawned_at: Location,
    pub(crate) callers: Vec<Pid>,
}

impl PanicReport {
    /// Returns the message of the panic, or a placeholder if the payload is not a string.
    ///
    /// Unlike the text of the whole report, the message has no pid and no location: group the panics of a service by it, and by
    /// [`location`](PanicReport::location).
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns where the panic happened.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the name of the thread that panicked.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// Returns the backtrace, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` enables it.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_ref().filter(|backtrace| backtrace.status() == BacktraceStatus::Captured)
    }

    /// Returns the process that panicked.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns the label of the process.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Returns where the process was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &Location {
        &self.spawned_at
    }

    /// Returns the callers of the process: its spawner, the spawner's spawner, and so on, up to 32.
    #[must_use]
    pub fn callers(&self) -> &[Pid] {
        &self.callers
    }
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}: {} (", self.location, self.message)?;
        super::timed_out::write_task(f, self.pid, self.label(), &self.spawned_at)?;
        f.write_str(")")
    }
}

impl fmt::Debug for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
