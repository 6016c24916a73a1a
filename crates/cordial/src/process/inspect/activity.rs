//! What a process does at one moment.

use std::time::Duration;

use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::runtime::RuntimeHandle;
use crate::sorted_map::SortedMap;

/// What a process does at one moment. Read while the scheduler runs, so it may be outdated at once.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It waits to be woken.
    Waiting,
    /// It is ready and waits for a thread, or was taken by a thread a moment ago.
    Queued,
    /// It is being polled. Never shown in a simulation, where nothing else runs during a poll but the poll itself.
    Polled {
        /// The number of the thread that polls it, from 0: the [`index`](super::ThreadInfo::index) in
        /// [`Inspector::threads`](crate::process::Inspector::threads).
        thread: usize,
        /// How long the poll has lasted; `None` if that is less than about 1 ms.
        lasted: Option<Duration>,
    },
}

impl Activity {
    /// Returns how long the current poll has lasted. `None` if there is none, or only for less than about 1 ms.
    #[must_use]
    pub fn in_poll(self) -> Option<Duration> {
        match self {
            Activity::Polled { lasted, .. } => lasted,
            Activity::Waiting | Activity::Queued => None,
        }
    }
}

/// The values that are read once for all processes of a scan: the time, and the polls in progress.
pub(super) struct Readings {
    /// Milliseconds on the coarse clock.
    pub(super) now: u64,
    polls: SortedMap<Pid, (usize, Option<Duration>)>,
}

impl Readings {
    pub(super) fn new(runtime: &RuntimeHandle) -> Readings {
        let polls = runtime.executor().threads().into_iter().filter_map(|thread| {
            let pid = runtime.pid_of_key(thread.polled?);
            Some((pid, (thread.index, thread.in_poll)))
        });
        Readings { now: runtime.executor().coarse_now(), polls: polls.collect() }
    }

    /// Returns how long ago a process was spawned.
    pub(super) fn age(&self, entry: &Entry) -> Duration {
        Duration::from_millis(self.now.saturating_sub(entry.spawned_at_ms()))
    }

    pub(super) fn activity(&self, pid: Pid, entry: &Entry) -> Activity {
        match self.polls.get(pid) {
            Some(&(thread, lasted)) => Activity::Polled { thread, lasted },
            None if entry.task.is_waiting() => Activity::Waiting,
            None => Activity::Queued,
        }
    }
}
