//! The report of a stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::exit::Location;
use crate::pid::Pid;

/// The processes that did not end when they were asked to.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct StopReport {
    /// Processes that were killed, and then ended. A stop with a limit, such as the shutdown of a runtime, also lists killed
    /// processes that have not ended when it returns, but are not stuck: they wait for a thread or, as supervisors, for the end of their
    /// children, or their current poll has just begun.
    pub killed: Vec<Stopped>,
    /// Processes that were killed, but whose current poll does not return. They are still alive.
    pub abandoned: Vec<Stopped>,
}

/// One process of a [`StopReport`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Stopped {
    /// Its pid.
    pub pid: Pid,
    /// The label that the process has set. If it has set none: for a supervisor, the label that its builder has set; for a child that is
    /// not a [`TaskSupervisor`](crate::TaskSupervisor), the id of the child.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// How long its current poll had lasted: for a killed process, just before the kill; for an abandoned one, when the stop no longer
    /// waited for it. May be up to two milliseconds too short. `None` if the process was not being polled, if the poll had lasted for
    /// less than about 1 ms, and always in a simulation.
    pub in_poll: Option<Duration>,
}

impl StopReport {
    /// Returns whether every process ended when it was asked to.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.killed.is_empty() && self.abandoned.is_empty()
    }
}

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("every process ended when it was asked to");
        }
        let killed = self.killed.iter().map(|stopped| ("was killed", stopped));
        let abandoned = self.abandoned.iter().map(|stopped| ("is stuck in a poll and was abandoned", stopped));
        for (idx, (what, stopped)) in killed.chain(abandoned).enumerate() {
            let separator = if idx == 0 { "" } else { "; " };
            write!(f, "{separator}{stopped} {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " (spawned at {})", self.spawned_at)?;
        if let Some(in_poll) = self.in_poll {
            write!(f, ", in one poll for {in_poll:?},")?;
        }
        Ok(())
    }
}
