//! What a report says about live processes.

use super::polls::Polls;
use crate::exit::Location;
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::report::Stopped;
use crate::process::runtime::RuntimeHandle;

/// Describes a process. `polls` are the current polls of its runtime.
pub(in crate::process) fn describe(pid: Pid, entry: &Entry, polls: &Polls) -> Stopped {
    Stopped {
        pid,
        label: entry.label().cloned(),
        spawned_at: Location::from(entry.spawned_at),
        in_poll: polls.lasted(pid),
    }
}

/// Describes a process; `None` if the process has ended. `polls` are the current polls of its runtime.
pub(crate) fn describe_one(runtime: &RuntimeHandle, pid: Pid, polls: &Polls) -> Option<Stopped> {
    runtime.with(pid, |entry| describe(pid, entry, polls))
}

/// Describes each live process for which `is_member` returns true. With `among`, only the processes with these pids are considered.
pub(crate) fn describe_all(
    runtime: &RuntimeHandle,
    among: Option<&[Pid]>,
    is_member: &dyn Fn(Pid, &Entry) -> bool,
) -> Vec<Stopped> {
    let polls = Polls::now(runtime);
    let mut described = Vec::new();
    runtime.for_each_of(among, &mut |pid, entry| {
        if is_member(pid, entry) {
            described.push(describe(pid, entry, &polls));
        }
    });
    described
}
