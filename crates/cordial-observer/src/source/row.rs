//! The row that a scan keeps for each process.

use std::sync::Arc;
use std::time::Duration;

use cordial::Pid;
use cordial::process::{Activity, ProcessKind, ProcessState, ProcessSummary};

use super::places::{PlaceId, Places};
use super::texts::{bounded_label, name_in_sentence};
use crate::view::{Kind, State};

/// One process of a scan: about 100 bytes, because there may be a hundred thousand of them.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) pid: Pid,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) above: Above,
    busy_us: u64,
    age_ms: u64,
    /// How long the current poll has lasted, in milliseconds; `None` if that is less than about 1 ms.
    in_poll_ms: Option<u32>,
    pub(crate) place: PlaceId,
    pub(crate) polls: u32,
    pub(crate) self_wakes: u32,
    pub(crate) long_polls: u32,
    pub(crate) incarnation: u32,
    pub(crate) thread: Option<u16>,
    /// Whether it is ready and waits for a worker, in any state.
    pub(crate) is_queued: bool,
    pub(crate) kind: Kind,
    pub(crate) state: State,
}

/// The process above another one in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Above {
    /// The process is a child of this supervisor.
    Supervisor(Pid),
    /// The process is a supervisor that belongs to this process.
    Owner(Pid),
    /// The process was spawned by this one, and is neither a child nor a supervisor with an owner.
    Caller(Pid),
    Nothing,
}

impl Above {
    pub(crate) fn pid(self) -> Option<Pid> {
        match self {
            Above::Supervisor(pid) | Above::Owner(pid) | Above::Caller(pid) => Some(pid),
            Above::Nothing => None,
        }
    }

    pub(crate) fn supervisor(self) -> Option<Pid> {
        if let Above::Supervisor(pid) = self { Some(pid) } else { None }
    }
}

impl Row {
    pub(crate) fn new(summary: &ProcessSummary, places: &mut Places) -> Row {
        let above = match (summary.supervisor, summary.owner, summary.caller) {
            (Some(pid), _, _) => Above::Supervisor(pid),
            (_, Some(pid), _) => Above::Owner(pid),
            (_, _, Some(pid)) => Above::Caller(pid),
            (None, None, None) => Above::Nothing,
        };
        let thread = match summary.activity {
            Activity::Polled { thread, .. } => u16::try_from(thread).ok(),
            _ => None,
        };
        let in_ms = |lasted: Duration| u32::try_from(lasted.as_millis()).unwrap_or(u32::MAX);
        Row {
            pid: summary.pid,
            label: summary.label.as_ref().map(bounded_label),
            above,
            busy_us: u64::try_from(summary.busy.as_micros()).unwrap_or(u64::MAX),
            age_ms: u64::try_from(summary.age.as_millis()).unwrap_or(u64::MAX),
            in_poll_ms: summary.activity.in_poll().map(in_ms),
            place: places.add(&summary.spawned_at),
            polls: summary.polls,
            self_wakes: summary.self_wakes,
            long_polls: summary.long_polls,
            incarnation: summary.incarnation,
            thread,
            is_queued: matches!(summary.activity, Activity::Queued),
            kind: kind_of(summary.kind),
            state: state_of(summary),
        }
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_micros(self.busy_us)
    }

    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms)
    }

    pub(crate) fn in_poll(&self) -> Option<Duration> {
        self.in_poll_ms.map(|lasted| Duration::from_millis(lasted.into()))
    }

    /// Sets for how many milliseconds the current poll has lasted.
    pub(super) fn set_in_poll(&mut self, lasted_ms: u64) {
        self.in_poll_ms = Some(u32::try_from(lasted_ms).unwrap_or(u32::MAX));
    }

    /// Returns whether the process is a supervisor or a task supervisor.
    pub(crate) fn is_supervisor(&self) -> bool {
        matches!(self.kind, Kind::Supervisor | Kind::TaskSupervisor)
    }

    /// Returns the name of the process in a sentence.
    pub(crate) fn name(&self, places: &Places) -> String {
        name_in_sentence(self.label.as_deref(), places.text(self.place), self.pid)
    }
}

fn kind_of(kind: ProcessKind) -> Kind {
    match kind {
        ProcessKind::Root => Kind::Root,
        ProcessKind::Child => Kind::Child,
        ProcessKind::Supervisor => Kind::Supervisor,
        ProcessKind::TaskSupervisor => Kind::TaskSupervisor,
        ProcessKind::Server => Kind::Server,
        ProcessKind::StreamItem => Kind::StreamItem,
        ProcessKind::SetTask => Kind::TaskSet,
        ProcessKind::Connection => Kind::Connection,
        _ => Kind::Task,
    }
}

fn state_of(summary: &ProcessSummary) -> State {
    match summary.state {
        ProcessState::Abandoned => State::Abandoned,
        ProcessState::Exiting => State::Exiting,
        ProcessState::ShutdownRequested => State::ShutdownRequested,
        _ => match summary.activity {
            Activity::Polled { .. } => State::Running,
            Activity::Queued => State::Queued,
            _ => State::Waiting,
        },
    }
}
