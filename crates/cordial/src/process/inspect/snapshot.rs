//! Snapshots: the processes of a runtime, each as it is at one moment.

use std::sync::Arc;
use std::time::Duration;

use super::activity::{Activity, Readings};
use crate::exit::Location;
use crate::pid::Pid;
use crate::process::connection::ConnectionInfo;
use crate::process::crashes::Crash;
use crate::process::details::Details;
use crate::process::entry::Entry;
use crate::process::kind::ProcessKind;
use crate::process::runtime::{RuntimeHandle, with_current_runtime};
use crate::process::serving::MailboxInfo;
use crate::process::shutdown_state::ShutdownState;
use crate::process::supervision::Supervision;

/// How many crashes a snapshot contains.
const SHOWN_CRASHES: usize = 100;

/// The processes of one runtime. The processes run while the snapshot is taken, so each is seen at
/// a moment of its own; none is listed twice.
///
/// Each process names its supervisor or its owner. `to_string()` prints the resulting tree.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The live processes, in the order of their slots in the process table.
    pub processes: Vec<ProcessInfo>,
    /// The number of worker threads; `None` in a simulation.
    pub workers: Option<usize>,
    /// The most recent crashes, oldest first, at most 100.
    pub crashes: Vec<Crash>,
}

/// One live process.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// The label that the process has set. If it has set none: for a supervisor, the label that its builder has set; for a child that is
    /// not a [`TaskSupervisor`](crate::TaskSupervisor), the id of the child.
    pub label: Option<Arc<str>>,
    /// What the process is for.
    pub kind: ProcessKind,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// Its spawner, the spawner's spawner, and so on, up to 32.
    pub callers: Vec<Pid>,
    /// The processes that it is linked to.
    pub links: Vec<Pid>,
    /// The number of monitors of this process.
    pub n_monitors: usize,
    /// Whether it traps exits.
    pub traps_exits: bool,
    /// How far it has come on the way to its exit.
    pub state: ProcessState,
    /// Its supervisor, if it is a child.
    pub supervisor: Option<Pid>,
    /// The id of the child, if the process was started from a child specification.
    pub child_id: Option<Arc<str>>,
    /// The incarnation number of the child; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// The process that it belongs to and ends with, if it is a supervisor that belongs to a
    /// process.
    pub owner: Option<Pid>,
    /// What it supervises, if it is a supervisor.
    pub supervises: Option<Supervision>,
    /// The mailbox, if the process runs a [server](crate::server).
    pub mailbox: Option<MailboxInfo>,
    /// The client and the requests, if the process is a connection that shows them: see
    /// [`set_connection`](crate::process::set_connection).
    pub connection: Option<ConnectionInfo>,
    /// What the process shows about itself, line by line: see [`set_details`](crate::process::set_details).
    pub details: Vec<String>,
    /// What the process does at the moment.
    pub activity: Activity,
    /// How often it was polled. Wraps.
    pub polls: u32,
    /// How often it was woken by its own poll, as [`yield_now`](tokio::task::yield_now) does. Wraps.
    pub self_wakes: u32,
    /// How many of its polls lasted longer than `stall_after`.
    pub long_polls: u32,
    /// How long it has computed or blocked in polls. Sampled about once per millisecond: nearly exact for long polls, an
    /// estimate for short ones.
    pub busy: Duration,
    /// How long its current poll has lasted. `None` if it is not being polled, if the poll has lasted for less than
    /// about 1 ms, and always in a simulation.
    pub in_poll: Option<Duration>,
    /// How long ago it was spawned, on the clock of its runtime.
    pub age: Duration,
}

/// How far a process has come on the way to its exit.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It has not been asked to shut down. A supervisor may be stopping all the same: because it was killed, because `stop` was
    /// called, because its owner has ended, or because it gives up.
    Running,
    /// It was asked to shut down and has opted in to graceful shutdown, if only for a while. It has not ended yet.
    ShutdownRequested,
    /// It ends when its current poll returns, or else in its next poll.
    Exiting,
    /// It was killed, but its current poll does not return, and no stop waits for it any more.
    Abandoned,
}

impl ProcessInfo {
    /// Describes a live process; `None` if it has ended or belongs to another runtime.
    pub(in crate::process) fn of(runtime: &RuntimeHandle, pid: Pid) -> Option<ProcessInfo> {
        let info = ProcessInfo::without_details(runtime, pid)?;
        let details = runtime.with(pid, |entry| entry.rare.as_ref()?.details.clone()).flatten();
        // Outside the lock of the table, because the closure of a user may take locks.
        Some(ProcessInfo { details: details.map(|details| details.lines()).unwrap_or_default(), ..info })
    }

    /// Like `of`, but has no details: calls no user code.
    pub(in crate::process) fn without_details(runtime: &RuntimeHandle, pid: Pid) -> Option<ProcessInfo> {
        let readings = Readings::new(runtime);
        let (info, supervisor, server) = runtime.with(pid, |entry| {
            let supervisor = entry.guardian().map(|guardian| guardian.supervisor.clone());
            (ProcessInfo::new(&readings, pid, entry), supervisor, entry.serving().cloned())
        })?;
        // Outside the lock of the table, because supervisors and servers take locks of their own.
        let supervises = supervisor.map(|supervisor| supervisor.supervision());
        Some(ProcessInfo { supervises, mailbox: server.map(|server| server.mailbox()), ..info })
    }

    fn new(readings: &Readings, pid: Pid, entry: &Entry) -> ProcessInfo {
        let rare = entry.rare.as_deref();
        let activity = readings.activity(pid, entry);
        ProcessInfo {
            pid,
            label: entry.label().cloned(),
            kind: entry.kind(),
            spawned_at: Location::from(entry.spawned_at),
            callers: entry.callers().to_vec(),
            links: rare.map(|rare| rare.links.iter().copied().collect()).unwrap_or_default(),
            n_monitors: rare.map_or(0, |rare| rare.monitors.len()),
            traps_exits: entry.traps_exits(),
            supervisor: entry.parent().map(|parent| parent.pid),
            child_id: entry.parent().and_then(|parent| parent.id.clone()),
            incarnation: entry.parent().map_or(1, |parent| parent.incarnation),
            owner: entry.guardian().and_then(|guardian| guardian.owner),
            supervises: None,
            mailbox: None,
            connection: rare.and_then(|rare| rare.connection.as_ref()).map(|connection| connection.info()),
            details: Vec::new(),
            activity,
            polls: entry.task.polls(),
            self_wakes: entry.task.self_wakes(),
            long_polls: entry.samples().long_polls,
            state: ProcessState::of(entry),
            busy: Duration::from_micros(entry.samples().busy_us),
            in_poll: activity.in_poll(),
            age: readings.age(entry),
        }
    }
}

impl ProcessState {
    pub(super) fn of(entry: &Entry) -> ProcessState {
        if entry.is_abandoned() {
            return ProcessState::Abandoned;
        }
        match entry.shutdown {
            ShutdownState::Running | ShutdownState::Deferring { .. } | ShutdownState::OptedIn => ProcessState::Running,
            ShutdownState::Deferred { .. } | ShutdownState::Requested => ProcessState::ShutdownRequested,
            ShutdownState::Exiting { .. } => ProcessState::Exiting,
        }
    }
}

impl Snapshot {
    pub(in crate::process) fn take(runtime: &RuntimeHandle) -> Snapshot {
        let (mut snapshot, with_details) = Snapshot::read(runtime, true);
        // Outside the lock of the table, because the closures of users may take locks.
        for (index, details) in with_details {
            snapshot.processes[index].details = details.lines();
        }
        snapshot
    }

    /// Like `take`, but has no details: calls no user code.
    pub(in crate::process) fn without_details(runtime: &RuntimeHandle) -> Snapshot {
        Snapshot::read(runtime, false).0
    }

    /// Returns a snapshot without details, and, if they are wanted, the details of the processes that have some, each with the index of
    /// its process. Details that are not wanted are not cloned: if the process ended meanwhile, the drop of the clone would run the
    /// destructor of the user's closure.
    fn read(runtime: &RuntimeHandle, wants_details: bool) -> (Snapshot, Vec<(usize, Details)>) {
        let readings = Readings::new(runtime);
        let mut processes = Vec::new();
        let (mut supervisors, mut servers, mut with_details) = (Vec::new(), Vec::new(), Vec::new());
        runtime.for_each(&mut |pid, entry| {
            if let Some(guardian) = entry.guardian() {
                supervisors.push((processes.len(), guardian.supervisor.clone()));
            }
            if let Some(serving) = entry.serving() {
                servers.push((processes.len(), serving.clone()));
            }
            if wants_details && let Some(details) = entry.rare.as_ref().and_then(|rare| rare.details.clone()) {
                with_details.push((processes.len(), details));
            }
            processes.push(ProcessInfo::new(&readings, pid, entry));
        });
        // Outside the lock of the table, because supervisors and servers take locks of their own.
        for (index, supervisor) in supervisors {
            processes[index].supervises = Some(supervisor.supervision());
        }
        for (index, server) in servers {
            processes[index].mailbox = Some(server.mailbox());
        }
        let crashes =
            if runtime.is_forked() { Vec::new() } else { runtime.crashes().seen_at(readings.now, 0, SHOWN_CRASHES) };
        (Snapshot { processes, workers: runtime.executor().workers(), crashes }, with_details)
    }
}

/// Takes a snapshot of the current runtime: the runtime of the calling process or thread, or else the default runtime, which starts
/// on first use. For another runtime, see [`Runtime::snapshot`](crate::Runtime::snapshot).
///
/// # Elixir
///
/// `Process.list/0`, and `Process.info/1` of each.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let task = Task::spawn(std::future::pending::<()>());
///     assert!(process::snapshot().processes.iter().any(|process| process.pid == task.pid()));
/// });
/// ```
#[must_use]
pub fn snapshot() -> Snapshot {
    with_current_runtime(Snapshot::take)
}

/// Returns what is known about a live process; `None` if it has ended or belongs to another runtime.
///
/// # Elixir
///
/// `Process.info/1`.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let task = Task::spawn(async { process::set_label("importer"); std::future::pending::<()>().await });
///     tokio::task::yield_now().await;
///     let pid = task.pid();
///     assert_eq!(process::info(pid).unwrap().label.as_deref(), Some("importer"));
///     task.shutdown(cordial::Shutdown::BrutalKill).await;
///     assert!(process::info(pid).is_none());
/// });
/// ```
#[must_use]
pub fn info(pid: Pid) -> Option<ProcessInfo> {
    with_current_runtime(|runtime| ProcessInfo::of(runtime, pid))
}
