//! What lives in a runtime, to be looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context;
use super::crashes::Crash;
use super::entry::Entry;
use super::handle::Handle;
use crate::exit::Location;
use crate::pid::Pid;

/// Everything that lives in one runtime. Each process is seen at a moment of its own, and none is seen twice.
/// `to_string()` shows it as a tree.
///
/// The tree is in the processes: each names its supervisor, or the process that it ends with.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The live processes, by slot.
    pub processes: Vec<ProcessInfo>,
    /// Worker threads; `None` in a simulation.
    pub workers: Option<usize>,
    /// The latest crashes, oldest first, up to 100.
    pub crashes: Vec<Crash>,
}

/// One live process.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// Its label: the one that it has given itself, or else that of a supervisor or the id of a child.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// Who spawned it, and who spawned that one: nearest first, the last 32.
    pub callers: Vec<Pid>,
    /// The processes that it is linked to.
    pub links: Vec<Pid>,
    /// How many monitors watch it.
    pub n_monitors: usize,
    /// Whether it traps exits.
    pub traps_exits: bool,
    /// How far its life has come.
    pub state: ProcessState,
    /// The supervisor whose child it is, if it is one. No process has two.
    pub supervisor: Option<Pid>,
    /// What its supervisor calls it, if it was started by a child specification.
    pub child_id: Option<Arc<str>>,
    /// How many processes, this one included, have been that child. 1 without a supervisor.
    pub incarnation: u32,
    /// The process that it ends with, if it is a supervisor that was started by one.
    pub owner: Option<Pid>,
    /// What it supervises, if it is a supervisor.
    pub supervises: Option<Supervision>,
    /// How often it was polled.
    pub polls: u32,
    /// How many of its polls were found to last longer than `stall_after`.
    pub long_polls: u32,
    /// How long it has computed or blocked in polls, by looking about once a millisecond: of long polls nearly all, of short
    /// ones a fair share.
    pub busy: Duration,
    /// For how long it has been in its present poll; `None` if it is in none, or for less than about a millisecond, and always
    /// in a simulation.
    pub in_poll: Option<Duration>,
    /// How long ago it was spawned, on its runtime's clock.
    pub age: Duration,
}

/// What a supervisor does.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Supervision {
    /// Whom it starts again when a child has crashed: `"one_for_one"`, `"one_for_all"`, `"rest_for_one"`; `"tasks"` for a
    /// task supervisor.
    pub strategy: &'static str,
    /// Which incarnation of the supervisor it is.
    pub incarnation: u32,
    /// How many restarts it has made.
    pub restarts: u64,
    /// The most children that may run at once, if there is a limit.
    pub max_children: Option<usize>,
    /// How many children have a process.
    pub n_running: usize,
    /// Those children that have none: by id, and whether a restart is due.
    pub without_process: Vec<(Arc<str>, bool)>,
}

/// How far the life of a process has come.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs, or waits for something.
    Alive,
    /// It was asked to end, and had asked to be told: it is finishing.
    Asked,
    /// It was told to end, and will when its poll returns.
    Ending,
    /// It was told to end, its poll did not return, and a stop gave up waiting.
    Abandoned,
}

/// What is the same for all that are looked at together.
struct Seen {
    /// Milliseconds on the coarse clock.
    now: u64,
    long_polls: BTreeMap<Pid, Duration>,
}

impl Seen {
    fn now(runtime: &Handle) -> Seen {
        Seen { now: runtime.executor().coarse_now(), long_polls: runtime.long_polls() }
    }
}

impl ProcessInfo {
    fn new(seen: &Seen, pid: Pid, entry: &Entry) -> ProcessInfo {
        let rare = entry.rare.as_deref();
        ProcessInfo {
            pid,
            label: entry.label().cloned(),
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
            polls: entry.task.polls(),
            long_polls: entry.samples().long_polls,
            state: match (entry.manners.is_abandoned, &entry.ending, entry.manners.is_asked) {
                (true, ..) => ProcessState::Abandoned,
                (false, Some(_), _) => ProcessState::Ending,
                (false, None, true) => ProcessState::Asked,
                (false, None, false) => ProcessState::Alive,
            },
            busy: Duration::from_micros(entry.samples().busy_us),
            in_poll: seen.long_polls.get(&pid).copied(),
            age: Duration::from_millis(seen.now.saturating_sub(entry.since)),
        }
    }
}

impl Snapshot {
    pub(crate) fn take(runtime: &Handle) -> Snapshot {
        let seen = Seen::now(runtime);
        let mut processes = Vec::new();
        let mut supervisors = Vec::new();
        runtime.for_each(|pid, entry| {
            if let Some(guardian) = entry.guardian() {
                supervisors.push((processes.len(), guardian.supervisor.clone()));
            }
            processes.push(ProcessInfo::new(&seen, pid, entry));
        });
        for (index, about) in supervisors {
            processes[index].supervises = Some(about.supervision());
        }
        Snapshot { processes, workers: runtime.executor().workers(), crashes: runtime.crashes().latest() }
    }
}

/// Everything that lives in this runtime, each process as it was when it was looked at, while the others run on: inside a process of a
/// [`Runtime`](crate::Runtime) that one, elsewhere the default one, which starts on first use. From outside of a runtime
/// of one's own, see [`Runtime::snapshot`](crate::Runtime::snapshot).
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
    context::with_current_runtime(Snapshot::take)
}

/// What is known of a live process; `None` once it has ended, and for a pid of another runtime.
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
    let (info, about) = context::with_current_runtime(|runtime| {
        let seen = Seen::now(runtime);
        runtime.with(pid, |entry| {
            let about = entry.guardian().map(|guardian| guardian.supervisor.clone());
            (ProcessInfo::new(&seen, pid, entry), about)
        })
    })?;
    Some(ProcessInfo { supervises: about.map(|about| about.supervision()), ..info })
}
