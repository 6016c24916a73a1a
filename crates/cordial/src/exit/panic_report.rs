//! A panic, kept.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;

use super::Location;
use crate::pid::Pid;

/// What is known of a panic that ended a process.
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
    /// The text given to `panic!`, or a stand-in when the payload is not a text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it panicked.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The name of the thread that it happened on.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// The stack, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_ref().filter(|backtrace| backtrace.status() == BacktraceStatus::Captured)
    }

    /// The process that panicked.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The label that the process had given itself.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Where the process was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &Location {
        &self.spawned_at
    }

    /// Who spawned it, and who spawned that one: nearest first, the last 32.
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
