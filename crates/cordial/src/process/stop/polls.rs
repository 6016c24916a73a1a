//! The polls of all processes of a runtime at one moment, and which processes are stuck in a poll.

use std::time::Duration;

use cordial_sched::PollId;

use crate::pid::Pid;
use crate::process::runtime::RuntimeHandle;
use crate::sorted_map::SortedMap;

/// How long one poll of a killed process may last before a stop abandons the process.
pub(crate) const ABANDON_AFTER: Duration = Duration::from_millis(100);

/// Slightly less than [`ABANDON_AFTER`], because the duration of a poll is measured to a few milliseconds only: a poll that was measured
/// with this duration may have lasted for [`ABANDON_AFTER`], and counts as if it had.
const STUCK_AFTER: Duration = ABANDON_AFTER.saturating_sub(Duration::from_millis(10));

/// The polls of a runtime at one moment.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    current: SortedMap<Pid, PollId>,
    long: SortedMap<Pid, Duration>,
}

impl Polls {
    /// Returns the polls of all processes at this moment.
    pub(crate) fn now(runtime: &RuntimeHandle) -> Polls {
        Polls { current: runtime.current_polls(), long: runtime.long_polls() }
    }

    /// Returns the poll that a process is in.
    pub(crate) fn of(&self, pid: Pid) -> Option<PollId> {
        self.current.get(pid).copied()
    }

    /// Returns all processes that are in a poll, each with its poll.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pid, PollId)> {
        self.current.iter().map(|(pid, poll)| (pid, *poll))
    }

    /// Returns how long the current poll of a process has lasted. `None` if the process is in no poll, or if the poll began less than about
    /// a millisecond ago.
    pub(crate) fn lasted(&self, pid: Pid) -> Option<Duration> {
        self.long.get(pid).copied()
    }

    /// Returns whether a process is stuck in a poll. `before` is the poll in which the process was when the wait for its end began. The
    /// process is stuck if it is still in that poll, or if its current poll has lasted for [`ABANDON_AFTER`]. A process that is in no poll
    /// is not stuck: it waits for a thread.
    pub(crate) fn is_stuck(&self, pid: Pid, before: Option<PollId>) -> bool {
        let is_same_poll = || before.is_some() && self.of(pid) == before;
        is_same_poll() || self.lasted(pid).is_some_and(|lasted| lasted >= STUCK_AFTER)
    }
}
