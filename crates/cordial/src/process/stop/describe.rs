//! What a report says about live processes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::Location;
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::report::Stopped;
use crate::process::runtime::Handle;

/// Describes a process. `long_polls` are those of its runtime at this moment.
pub(super) fn describe(pid: Pid, entry: &Entry, long_polls: &BTreeMap<Pid, Duration>) -> Stopped {
    Stopped {
        pid,
        label: entry.label().cloned(),
        spawned_at: Location::from(entry.spawned_at),
        in_poll: long_polls.get(&pid).copied(),
    }
}

/// Describes a process; `None` if it has ended.
pub(crate) fn describe_one(runtime: &Handle, pid: Pid) -> Option<Stopped> {
    let long_polls = runtime.long_polls();
    runtime.with(pid, |entry| describe(pid, entry, &long_polls))
}

/// Describes the processes for which `is_member` returns true.
pub(crate) fn describe_all(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool) -> Vec<Stopped> {
    let long_polls = runtime.long_polls();
    let mut described = Vec::new();
    runtime.for_each(|pid, entry| {
        if is_member(pid, entry) {
            described.push(describe(pid, entry, &long_polls));
        }
    });
    described
}
