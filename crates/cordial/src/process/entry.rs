//! The record of a live process in the process table.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::Arc;

use cordial_sched::{Key, TaskRef};
use tokio::sync::{mpsc, oneshot};

use super::child_slot::{ChildSlot, Parent};
use super::connection::Connection;
use super::details::Details;
use super::guardian::Guardian;
use super::kind::{ProcessKind, Purpose, SpawnInfo};
use super::lineage::Lineage;
use super::serving::Serving;
use super::shutdown_notice::ShutdownNotice;
use super::shutdown_state::{ExitCause, ShutdownState};
use super::supervision::SupervisorKind;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::sorted_map::SortedMap;
use crate::telemetry::Subject;

/// The record of one live process. It is in the table from the spawn until the destructors of the future have run.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) task: TaskRef,
    pub(crate) spawned_at: &'static Location<'static>,
    spawn_info: SpawnInfo,
    pub(crate) lineage: Option<Arc<Lineage>>,
    /// The lineage of the processes that this process spawns. Created when it is first needed.
    lineage_of_spawned: Option<Arc<Lineage>>,
    pub(crate) shutdown: ShutdownState,
    /// Its slot in the registry of its parent, if it has a parent.
    pub(crate) child_slot: Option<ChildSlot>,
    /// State that most processes do not have. Boxed, so that it takes little room in their entries.
    pub(crate) rare: Option<Box<Rare>>,
}

/// State that most processes do not have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) links: BTreeSet<Pid>,
    pub(crate) monitors: SortedMap<u64, oneshot::Sender<Exit>>,
    /// One sender for each live `Exits` of the process, and one for the `ExitReceiver` of a guardian. The channels have no
    /// bound, as a mailbox of Erlang has none: each signal to the process adds at most one exit to each of them.
    pub(crate) traps: SortedMap<u64, mpsc::UnboundedSender<(Pid, Exit)>>,
    /// Set once a future waits, or may wait, for a request to shut down.
    pub(crate) shutdown_notice: Option<Arc<ShutdownNotice>>,
    /// The guardians that end with this process, by their numbers, and so in the order of their start. Some may have ended.
    pub(crate) guardians: SortedMap<u64, Pid>,
    /// The length of `guardians` at which the guardians that have ended are removed.
    pub(super) full_guardians: usize,
    /// Set if the process is a guardian itself.
    pub(crate) guardian: Option<Box<Guardian>>,
    /// Set if the process is a root: the notice for code outside of any process.
    pub(crate) root_notice: Option<Arc<ShutdownNotice>>,
    /// Set if the process runs a server.
    pub(crate) serving: Option<Arc<dyn Serving>>,
    /// Set by `set_details`.
    pub(crate) details: Option<Details>,
    /// `Some` if the process is a connection that shows its client.
    pub(super) connection: Option<Box<Connection>>,
    /// Whether a stop has given up waiting for the process. A guardian may be abandoned while it is not exiting.
    pub(crate) is_abandoned: bool,
    /// Whether the event `start_failed` reports that the start of the process has taken too long.
    pub(crate) start_failed_is_emitted: bool,
    pub(crate) samples: Samples,
    last_id: u64,
}

/// What the scheduler's monitor thread has seen of the polls of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Samples {
    /// For how long the process was seen in polls, in microseconds.
    pub(crate) busy_us: u64,
    /// How many of its polls have lasted for `stall_after` or longer.
    pub(crate) long_polls: u32,
}

impl Rare {
    /// Returns a new id for a monitor or a trap.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Entry {
    pub(crate) fn new(
        task: TaskRef,
        spawned_at: &'static Location<'static>,
        spawn_info: SpawnInfo,
        lineage: Option<Arc<Lineage>>,
        child_slot: Option<ChildSlot>,
        rare: Option<Box<Rare>>,
    ) -> Entry {
        let is_guardian = rare.as_ref().is_some_and(|rare| rare.guardian.is_some());
        let shutdown = if is_guardian { ShutdownState::OptedIn } else { ShutdownState::Running };
        Entry { task, spawned_at, spawn_info, lineage, lineage_of_spawned: None, shutdown, child_slot, rare }
    }

    /// Returns when the process was spawned, in milliseconds on the coarse clock of the executor.
    pub(crate) fn spawned_at_ms(&self) -> u64 {
        self.spawn_info.at()
    }

    /// Makes the process a connection, for [`kind`](Entry::kind).
    pub(crate) fn mark_as_connection(&mut self) {
        self.spawn_info = SpawnInfo::new(self.spawn_info.at(), Purpose::Connection);
    }

    /// Returns what the process is for.
    pub(crate) fn kind(&self) -> ProcessKind {
        if let Some(guardian) = self.guardian() {
            return match guardian.supervisor.kind() {
                SupervisorKind::Tasks => ProcessKind::TaskSupervisor,
                _ => ProcessKind::Supervisor,
            };
        }
        match self.spawn_info.purpose() {
            _ if self.serving().is_some() => ProcessKind::Server,
            Purpose::StreamItem => ProcessKind::StreamItem,
            Purpose::SetTask => ProcessKind::SetTask,
            Purpose::Connection => ProcessKind::Connection,
            Purpose::Any if self.is_root() => ProcessKind::Root,
            Purpose::Any if self.child_slot.is_some() => ProcessKind::Child,
            Purpose::Any => ProcessKind::Task,
        }
    }

    /// Decides the exit of the process, which must not be exiting yet. Returns the task, which has to be woken: the process
    /// ends when its current poll returns, or else in its next poll.
    #[must_use = "the process ends once it is woken"]
    pub(crate) fn exit_with(&mut self, own: Pid, exit: Box<Exit>, cause: ExitCause) -> TaskRef {
        let was_requested = self.shutdown.is_requested();
        self.shutdown = ShutdownState::Exiting { exit, cause, was_requested };
        let generation = NonZeroU32::new(own.generation()).expect("the pid of a live process");
        self.task.mark_ending(Key::new(own.index(), generation));
        self.task.clone()
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Returns the notice of requests to this process, and creates it on first use.
    pub(crate) fn shutdown_notice(&mut self) -> Arc<ShutdownNotice> {
        let is_requested = self.shutdown.is_requested();
        let create = || Arc::new(if is_requested { ShutdownNotice::given() } else { ShutdownNotice::default() });
        self.rare().shutdown_notice.get_or_insert_with(create).clone()
    }

    pub(crate) fn label(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.label.as_ref()
    }

    pub(crate) fn samples(&self) -> Samples {
        self.rare.as_ref().map_or_else(Samples::default, |rare| rare.samples)
    }

    pub(crate) fn traps_exits(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.traps.is_empty())
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_abandoned)
    }

    /// Returns the server that the process runs, if it runs one.
    pub(crate) fn serving(&self) -> Option<&Arc<dyn Serving>> {
        self.rare.as_ref()?.serving.as_ref()
    }

    pub(crate) fn guardian(&self) -> Option<&Guardian> {
        self.rare.as_ref()?.guardian.as_deref()
    }

    pub(crate) fn guardian_mut(&mut self) -> Option<&mut Guardian> {
        self.rare.as_mut()?.guardian.as_deref_mut()
    }

    /// Returns whether the process is neither a child nor a guardian, so that no supervisor has a part in its end.
    pub(crate) fn is_plain(&self) -> bool {
        self.child_slot.is_none() && self.guardian().is_none()
    }

    pub(crate) fn parent(&self) -> Option<&Parent> {
        self.child_slot.as_ref().map(|slot| &**slot.parent())
    }

    pub(crate) fn callers(&self) -> &[Pid] {
        self.lineage.as_ref().map_or(&[], |lineage| lineage.callers())
    }

    fn is_root(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.root_notice.is_some())
    }

    /// Returns the root process that this process descends from, if it descends from one. A child has the root of its parent.
    pub(crate) fn root(&self) -> Option<Pid> {
        match self.parent() {
            Some(parent) => parent.root,
            None => self.lineage.as_ref()?.root(),
        }
    }

    /// Puts the process into a slot of another parent, to which it was handed over. Returns its previous slot, if it had one.
    pub(crate) fn move_to(&mut self, slot: ChildSlot) -> Option<ChildSlot> {
        self.forget_lineage_of_spawned();
        self.child_slot.replace(slot)
    }

    /// Sets the root process that this child descends from, because its parent was handed over.
    pub(crate) fn set_root(&mut self, root: Option<Pid>) {
        if let Some(slot) = &mut self.child_slot {
            slot.set_root(root);
            self.forget_lineage_of_spawned();
        }
    }

    fn forget_lineage_of_spawned(&mut self) {
        if let Some(lineage) = self.lineage_of_spawned.take() {
            lineage.set_outdated();
        }
    }

    /// Returns the lineage of the processes that this process spawns.
    pub(crate) fn lineage_of_spawned(&mut self, own: Pid) -> Arc<Lineage> {
        let root = if self.is_root() { Some(own) } else { self.root() };
        let Entry { lineage, lineage_of_spawned, .. } = self;
        lineage_of_spawned.get_or_insert_with(|| Lineage::of_spawned(own, lineage.as_deref(), root)).clone()
    }
}

/// What an event says about a process: an owned [`Subject`], copied out of an entry so that the event can be emitted after
/// the lock of the table is released.
#[derive(Debug)]
pub(crate) struct EventSubject {
    label: Option<Arc<str>>,
    spawned_at: &'static Location<'static>,
    /// The parent, and the incarnation number of the child.
    child_of: Option<(Pid, u32)>,
}

impl EventSubject {
    pub(crate) fn of(entry: &Entry) -> EventSubject {
        EventSubject {
            label: entry.label().cloned(),
            spawned_at: entry.spawned_at,
            child_of: entry.parent().map(|parent| (parent.pid, parent.incarnation)),
        }
    }

    pub(crate) fn subject(&self, pid: Pid) -> Subject<'_> {
        let EventSubject { label, spawned_at, child_of } = self;
        Subject { pid, label: label.as_deref(), spawned_at, child_of: *child_of }
    }
}
