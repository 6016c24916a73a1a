//! Long polls that have not returned yet.

use std::sync::Arc;
use std::time::Duration;

use crate::exit::Location;
use crate::pid::Pid;
use crate::process::inspect::ThreadInfo;
use crate::process::kind::ProcessKind;
use crate::process::runtime::RuntimeHandle;

/// A poll that has lasted for about a millisecond or more and has not returned. A poll that is shorter than `stall_after` is listed too,
/// but no event `long_poll` is emitted for it.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct LongPoll {
    /// The process.
    pub pid: Pid,
    /// The label that the process has set. If it has set none: for a supervisor, the label that its builder has set; for a child that is
    /// not a [`TaskSupervisor`](crate::TaskSupervisor), the id of the child.
    pub label: Option<Arc<str>>,
    /// What the process is for.
    pub kind: ProcessKind,
    /// Where the process was spawned.
    pub spawned_at: Location,
    /// Its supervisor, if it is a child.
    pub supervisor: Option<Pid>,
    /// How long the poll has lasted. May be up to two milliseconds too short.
    pub lasted: Duration,
    /// The number of the thread that polls the process, as in [`ThreadInfo::index`].
    pub thread: usize,
    /// The number of that thread in the kernel, as in [`ThreadInfo::kernel_id`].
    pub kernel_id: Option<u32>,
}

impl LongPoll {
    /// Returns the long polls of a runtime, the longest first.
    pub(super) fn all(runtime: &RuntimeHandle) -> Vec<LongPoll> {
        let described = ThreadInfo::all(runtime).into_iter().filter_map(|thread| {
            let (pid, lasted) = (thread.pid?, thread.in_poll?);
            runtime.with(pid, |entry| LongPoll {
                pid,
                label: entry.label().cloned(),
                kind: entry.kind(),
                spawned_at: Location::from(entry.spawned_at),
                supervisor: entry.parent().map(|parent| parent.pid),
                lasted,
                thread: thread.index,
                kernel_id: thread.kernel_id,
            })
        });
        let mut long_polls: Vec<LongPoll> = described.collect();
        long_polls.sort_by_key(|poll| std::cmp::Reverse(poll.lasted));
        long_polls
    }
}
