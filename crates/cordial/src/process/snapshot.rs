//! What lives in a runtime, to be looked at.

use std::sync::Arc;
use std::time::Duration;

use super::context;
use super::entry::Entry;
use super::handle::Handle;
use crate::exit::Location;
use crate::pid::Pid;

/// Everything that lives in one runtime. Each process is seen at a moment of its own.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The live processes, by slot.
    pub processes: Vec<ProcessInfo>,
    /// Worker threads; `None` in a simulation.
    pub workers: Option<usize>,
}

/// One live process.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// The label that it has given itself.
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
    /// How long it was found in a poll, by looking about once a millisecond.
    pub busy: Duration,
    /// How long ago it was spawned, on its runtime's clock.
    pub age: Duration,
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

impl ProcessInfo {
    fn new(runtime: &Handle, pid: Pid, entry: &Entry) -> ProcessInfo {
        let ties = entry.ties.as_deref();
        ProcessInfo {
            pid,
            label: entry.label().cloned(),
            spawned_at: Location::from(entry.spawned_at),
            callers: entry.callers().to_vec(),
            links: ties.map(|ties| ties.links.iter().copied().collect()).unwrap_or_default(),
            n_monitors: ties.map_or(0, |ties| ties.monitors.len()),
            traps_exits: entry.traps_exits(),
            state: match (entry.manners.is_abandoned, &entry.ending, entry.manners.is_asked) {
                (true, ..) => ProcessState::Abandoned,
                (false, Some(_), _) => ProcessState::Ending,
                (false, None, true) => ProcessState::Asked,
                (false, None, false) => ProcessState::Alive,
            },
            busy: Duration::from_millis(u64::from(entry.busy_ms)),
            age: Duration::from_millis(runtime.executor().coarse_now().saturating_sub(entry.since)),
        }
    }
}

impl Snapshot {
    pub(crate) fn take(runtime: &Handle) -> Snapshot {
        let mut processes = Vec::new();
        runtime.for_each(|pid, entry| processes.push(ProcessInfo::new(runtime, pid, entry)));
        Snapshot { processes, workers: runtime.executor().workers() }
    }
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
    context::with_runtime(|runtime| runtime.with(pid, |entry| ProcessInfo::new(runtime, pid, entry)))
}
