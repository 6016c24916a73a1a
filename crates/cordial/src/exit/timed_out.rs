//! A timeout that was exceeded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Location;
use crate::pid::Pid;

/// The timeout that was exceeded, and the task or server that exceeded it.
#[derive(Clone, PartialEq, Eq)]
pub struct TimedOut(Arc<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    limit: NamedLimit,
    pid: Pid,
    label: Option<Arc<str>>,
    spawned_at: Option<Location>,
    /// How many other tasks had not finished either, if several were awaited.
    others: usize,
    /// What the task or server did when the timeout elapsed, if that is known.
    state: Option<String>,
}

/// A limit, and where it comes from, for the text of an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedLimit {
    duration: Duration,
    source: LimitSource,
}

/// The origin of a limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitSource {
    /// The wait for a task or a server itself, or the stream whose item was too slow.
    Wait,
    /// A call of [`within`](crate::within) around the wait.
    Scope,
    /// The call of [`within`](crate::within) that returns the error.
    Within,
}

impl NamedLimit {
    pub(crate) fn new(duration: Duration, source: LimitSource) -> NamedLimit {
        NamedLimit { duration, source }
    }
}

impl From<Duration> for NamedLimit {
    /// Names the limit of a wait.
    fn from(duration: Duration) -> NamedLimit {
        NamedLimit::new(duration, LimitSource::Wait)
    }
}

impl TimedOut {
    pub(crate) fn new(
        limit: impl Into<NamedLimit>,
        pid: Pid,
        label: Option<Arc<str>>,
        spawned_at: Option<Location>,
    ) -> TimedOut {
        TimedOut(Arc::new(Parts { limit: limit.into(), pid, label, spawned_at, others: 0, state: None }))
    }

    /// Creates the error of a call of [`within`](crate::within) by the process `pid`: [`Pid::NO_PROCESS`] outside of any process.
    pub(crate) fn of_within(limit: Duration, pid: Pid) -> TimedOut {
        TimedOut::new(NamedLimit::new(limit, LimitSource::Within), pid, None, None)
    }

    pub(crate) fn with_others(self, others: usize) -> TimedOut {
        TimedOut(Arc::new(Parts { others, ..self.into_parts() }))
    }

    /// Adds a part of a sentence that says what the task did when the timeout elapsed.
    pub(crate) fn with_state(self, state: Option<String>) -> TimedOut {
        TimedOut(Arc::new(Parts { state, ..self.into_parts() }))
    }

    fn into_parts(self) -> Parts {
        Arc::unwrap_or_clone(self.0)
    }

    /// Returns the timeout that was exceeded.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.0.limit.duration
    }

    /// Returns the task or server that exceeded the timeout; of several tasks, the first in input order. For
    /// [`within`](crate::within), returns the calling process, or a pid that no process has if no process made the call.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// Returns the label of the task or server, if it has one. `None` for [`within`](crate::within).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// Returns where the process was spawned; `None` if there was no such process any more when the timeout elapsed, and for
    /// [`within`](crate::within).
    #[must_use]
    pub fn spawned_at(&self) -> Option<&Location> {
        self.0.spawned_at.as_ref()
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { limit, pid, label, spawned_at, others, state } = &*self.0;
        let NamedLimit { duration, source } = limit;
        write!(f, "took longer than its limit of {duration:?}")?;
        if *source == LimitSource::Within {
            if *pid != Pid::NO_PROCESS {
                write!(f, " (in process {pid})")?;
            }
            return f.write_str("; call `within` with another limit, or with `Timeout::Infinity` for none");
        }
        f.write_str(" (")?;
        match spawned_at {
            Some(location) => write_task(f, *pid, label.as_deref(), location)?,
            None => write_name(f, *pid, label.as_deref())?,
        }
        if *others > 0 {
            write!(f, ", and {others} more")?;
        }
        f.write_str(")")?;
        if let Some(state) = state {
            write!(f, ": {state}")?;
        }
        f.write_str(match source {
            LimitSource::Scope => {
                "; this is the limit of `within` around this wait: call `within` with another limit, or with `Timeout::Infinity` for none"
            }
            LimitSource::Wait | LimitSource::Within => {
                "; give it another limit with `.timeout(..)`, or `Timeout::Infinity` for none"
            }
        })
    }
}

impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the pid, label and spawn location of a task.
pub(super) fn write_task(
    f: &mut fmt::Formatter<'_>,
    pid: Pid,
    label: Option<&str>,
    spawned_at: &Location,
) -> fmt::Result {
    write_name(f, pid, label)?;
    write!(f, ", spawned at {spawned_at}")
}

fn write_name(f: &mut fmt::Formatter<'_>, pid: Pid, label: Option<&str>) -> fmt::Result {
    if pid == Pid::NO_PROCESS
        && let Some(label) = label
    {
        // A server that was never started.
        return write!(f, "{label:?}");
    }
    write!(f, "process {pid}")?;
    label.map_or(Ok(()), |label| write!(f, " {label:?}"))
}
