//! A summary of a process, for lists of very many processes.

use std::sync::Arc;
use std::time::Duration;

use super::activity::{Activity, Readings};
use super::snapshot::ProcessState;
use crate::exit::Location;
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::kind::ProcessKind;
use crate::process::serving::MailboxInfo;

/// A summary of a live process: what can be read of it without an allocation. For the rest, see
/// [`ProcessInfo`](super::ProcessInfo).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ProcessSummary {
    /// Its pid.
    pub pid: Pid,
    /// The label that the process has set. If it has set none: for a supervisor, the label that its builder has set; for a child that is
    /// not a [`TaskSupervisor`](crate::TaskSupervisor), the id of the child.
    pub label: Option<Arc<str>>,
    /// The id of the child, if the process was started from a child specification.
    pub child_id: Option<Arc<str>>,
    /// What the process is for.
    pub kind: ProcessKind,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// How far it has come on the way to its exit.
    pub state: ProcessState,
    /// What the process does at the moment.
    pub activity: Activity,
    /// The process that spawned it, if a process did. It may have ended.
    pub caller: Option<Pid>,
    /// Its supervisor, if it is a child.
    pub supervisor: Option<Pid>,
    /// The process that it belongs to and ends with, if it is a supervisor that belongs to a process.
    pub owner: Option<Pid>,
    /// The incarnation number of the child; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// How many processes it is linked to.
    pub n_links: usize,
    /// The number of monitors of this process.
    pub n_monitors: usize,
    /// Whether it traps exits.
    pub traps_exits: bool,
    /// How often it was polled. Wraps.
    pub polls: u32,
    /// How often it was woken by its own poll, for example by [`yield_now`](tokio::task::yield_now). Wraps.
    pub self_wakes: u32,
    /// How many of its polls lasted longer than `stall_after`.
    pub long_polls: u32,
    /// How long it has computed or blocked in polls. Sampled about once per millisecond: nearly exact for long polls, an
    /// estimate for short ones.
    pub busy: Duration,
    /// How long ago it was spawned, on the clock of its runtime.
    pub age: Duration,
    /// The mailbox, if the process runs a [server](crate::server).
    pub mailbox: Option<MailboxInfo>,
}

impl ProcessSummary {
    /// Summarizes a process. `mailbox` is `None`: it is read without the lock of the process table.
    pub(super) fn new(readings: &Readings, pid: Pid, entry: &Entry) -> ProcessSummary {
        let rare = entry.rare.as_deref();
        ProcessSummary {
            pid,
            label: entry.label().cloned(),
            child_id: entry.parent().and_then(|parent| parent.id.clone()),
            kind: entry.kind(),
            spawned_at: Location::from(entry.spawned_at),
            state: ProcessState::of(entry),
            activity: readings.activity(pid, entry),
            caller: entry.callers().first().copied(),
            supervisor: entry.parent().map(|parent| parent.pid),
            owner: entry.guardian().and_then(|guardian| guardian.owner),
            incarnation: entry.parent().map_or(1, |parent| parent.incarnation),
            n_links: rare.map_or(0, |rare| rare.links.len()),
            n_monitors: rare.map_or(0, |rare| rare.monitors.len()),
            traps_exits: entry.traps_exits(),
            polls: entry.task.polls(),
            self_wakes: entry.task.self_wakes(),
            long_polls: entry.samples().long_polls,
            busy: Duration::from_micros(entry.samples().busy_us),
            age: readings.age(entry),
            mailbox: None,
        }
    }
}
