//! The report of a panic.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;

use super::Location;
use crate::pid::Pid;

/// The panic that ended a process, or that made the start of a process fail.
pub struct PanicReport {
    pub(crate) message: String,
    pub(crate) location: Location,
    pub(crate) thread: String,
    pub(crate) backtrace: Option<Backtrace>,
    /// The backtrace of a panic in another program.
    pub(crate) foreign_backtrace: Option<String>,
    pub(crate) pid: Pid,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) spawned_at: Location,
    pub(crate) callers: Vec<Pid>,
}

impl PanicReport {
    /// Returns a builder of the report of a panic in another program. A panic of this program becomes a report by itself.
    pub fn builder(message: impl Into<String>, location: impl Into<Location>) -> PanicReportBuilder {
        PanicReportBuilder {
            report: PanicReport {
                message: message.into(),
                location: location.into(),
                thread: "unnamed".to_owned(),
                backtrace: None,
                foreign_backtrace: None,
                pid: Pid::NO_PROCESS,
                label: None,
                spawned_at: Location::unknown(),
                callers: Vec::new(),
            },
        }
    }

    /// Returns the message of the panic, or a placeholder if the payload is not a string.
    ///
    /// To group the panics of a service, use the message and the [`location`](PanicReport::location). The text of the whole report
    /// contains the pid, so it differs for each process.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns where the panic happened.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the name of the thread that panicked; `unnamed` if it has none.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// Returns the backtrace, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` enables it, and the panic happened in this program.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_ref().filter(|backtrace| backtrace.status() == BacktraceStatus::Captured)
    }

    /// Returns the text of the backtrace, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` enables it where the panic happened: in this
    /// program or in another one.
    #[must_use]
    pub fn backtrace_text(&self) -> Option<String> {
        self.backtrace().map(ToString::to_string).or_else(|| self.foreign_backtrace.clone())
    }

    /// Returns a copy with another message. The backtrace is copied as a text.
    pub(crate) fn with_message(&self, message: String) -> PanicReport {
        PanicReport {
            message,
            location: self.location.clone(),
            thread: self.thread.clone(),
            backtrace: None,
            foreign_backtrace: self.backtrace_text(),
            pid: self.pid,
            label: self.label.clone(),
            spawned_at: self.spawned_at.clone(),
            callers: self.callers.clone(),
        }
    }

    /// Returns the pid of the process that panicked. If the function of [`ChildSpec::supervisor`](crate::ChildSpec::supervisor)
    /// panicked, the child was not started, and the pid belongs to no process.
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

/// Makes the report of a panic in another program. Created by [`PanicReport::builder`].
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Location, PanicReport, process};
/// use std::sync::Arc;
///
/// let report = PanicReport::builder("no luck", Location::new("src/resize.rs", 7, 5)).thread("worker").build();
/// assert!(Exit::Panic(Arc::new(report)).to_string().starts_with("panicked at src/resize.rs:7:5: no luck"));
/// ```
#[must_use = "a builder makes nothing before `build`"]
#[derive(Debug)]
pub struct PanicReportBuilder {
    report: PanicReport,
}

impl PanicReportBuilder {
    /// Sets the name of the thread that panicked. Default: `unnamed`.
    pub fn thread(self, name: impl Into<String>) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { thread: name.into(), ..self.report } }
    }

    /// Sets the text of the backtrace. Default: none.
    pub fn backtrace(self, text: impl Into<String>) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { foreign_backtrace: Some(text.into()), ..self.report } }
    }

    /// Sets the process that stands for the one that panicked. Default: a pid that no process has.
    pub fn pid(self, pid: Pid) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { pid, ..self.report } }
    }

    /// Sets the label of that process. Default: none.
    pub fn label(self, label: impl Into<Arc<str>>) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { label: Some(label.into()), ..self.report } }
    }

    /// Sets where that process was spawned. Default: an unknown location.
    pub fn spawned_at(self, location: impl Into<Location>) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { spawned_at: location.into(), ..self.report } }
    }

    /// Sets the callers of that process, the nearest first. Default: none.
    pub fn callers(self, callers: Vec<Pid>) -> PanicReportBuilder {
        PanicReportBuilder { report: PanicReport { callers, ..self.report } }
    }

    /// Returns the report.
    #[must_use]
    pub fn build(self) -> PanicReport {
        self.report
    }
}
