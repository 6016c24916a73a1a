//! What the table knows of a live process.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::Arc;

use cordial_sched::TaskRef;
use tokio::sync::{Notify, mpsc, oneshot};

use super::child_slot::{ChildSlot, Parent};
use super::guardian::Guardian;
use super::lineage::Lineage;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::telemetry::Subject;

/// One live process, as others see it. Stands in the table from its spawn until its destructors have run.
///
/// ```text
///            request, not asked to be told; kill; exit of a link
///   alive ───────────────────────────────────────────────────────► ending (with `Exit`) ──► out of the table
///     │ request, asked to be told                                      ▲        │
///     └──────────► is_asked ──────────────── ends itself, or is killed ┘        └─ a poll does not return, and
///                                                                                  a stop gave up: abandoned
/// ```
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) task: TaskRef,
    pub(crate) spawned_at: &'static Location<'static>,
    /// Milliseconds on the coarse clock of the executor.
    pub(crate) since: u64,
    pub(crate) lineage: Option<Arc<Lineage>>,
    /// Made when the process spawns for the first time.
    pub(crate) lineage_of_children: Option<Arc<Lineage>>,
    /// What it ends with when its poll returns. Set by `end_with`.
    pub(crate) ending: Option<Box<Exit>>,
    pub(crate) manners: Manners,
    /// Its child_slot with its parent, if it has one.
    pub(crate) child_slot: Option<ChildSlot>,
    /// What most processes do not have.
    pub(crate) rare: Option<Box<Rare>>,
}

/// What the watch saw of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Samples {
    /// How long it was found computing or blocking in a poll, in microseconds.
    pub(crate) busy_us: u64,
    /// How often a poll of it was found to last too long.
    pub(crate) long_polls: u32,
}

/// How the process wants to be told to end, and what it was told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// It once polled `shutdown_requested`, or trapped exits: a request does not end it. Never unset.
    pub(crate) wants_notice: bool,
    /// It was asked to end. Never unset.
    pub(crate) is_asked: bool,
    /// It called `exit`: no signal ended it.
    pub(crate) exits_itself: bool,
    /// It was started by `run`.
    pub(crate) is_root: bool,
    /// A stop gave up waiting for it.
    pub(crate) is_abandoned: bool,
}

/// Links, monitors, traps, and what else a process seldom has.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) links: BTreeSet<Pid>,
    pub(crate) monitors: BTreeMap<u64, oneshot::Sender<Exit>>,
    /// Each live `Exits` of the process. The channels have no bound of their own: what they hold is bounded by the
    /// links that the process made and the requests that it got.
    pub(crate) traps: BTreeMap<u64, mpsc::UnboundedSender<(Pid, Exit)>>,
    /// Wakes `shutdown_requested`.
    pub(crate) asked: Arc<Notify>,
    /// Those that end with this process, as they were started.
    pub(crate) guardians: Vec<Pid>,
    /// If the process itself owns others.
    pub(crate) guardian: Option<Box<Guardian>>,
    /// Of those that were found in a poll.
    pub(crate) samples: Samples,
    last_id: u64,
}

impl Rare {
    /// For a monitor or a trap.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// What an event says of a process, taken out of its entry.
#[derive(Debug)]
pub(crate) struct EventSubject {
    label: Option<Arc<str>>,
    spawned_at: &'static Location<'static>,
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

impl Entry {
    /// What wakes it, for it ends in a poll.
    #[must_use = "it ends once it is woken"]
    pub(crate) fn end_with(&mut self, exit: Box<Exit>) -> TaskRef {
        self.ending = Some(exit);
        self.task.mark_ending();
        self.task
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
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

    pub(crate) fn guardian(&self) -> Option<&Guardian> {
        self.rare.as_ref()?.guardian.as_deref()
    }

    pub(crate) fn guardian_mut(&mut self) -> Option<&mut Guardian> {
        self.rare.as_mut()?.guardian.as_deref_mut()
    }

    /// Whether neither a parent nor an owner ends it in due order.
    pub(crate) fn is_on_its_own(&self) -> bool {
        self.child_slot.is_none() && self.guardian().is_none()
    }

    pub(crate) fn parent(&self) -> Option<&Parent> {
        self.child_slot.as_ref().map(|child_slot| &**child_slot.parent())
    }

    pub(crate) fn callers(&self) -> &[Pid] {
        self.lineage.as_ref().map_or(&[], |lineage| lineage.callers())
    }

    pub(crate) fn root(&self) -> Option<Pid> {
        self.lineage.as_ref()?.root()
    }

    /// What the children of this process have in common.
    pub(crate) fn lineage_of_children(&mut self, own: Pid) -> Arc<Lineage> {
        let Entry { lineage, lineage_of_children, manners, .. } = self;
        lineage_of_children
            .get_or_insert_with(|| Lineage::of_children(own, lineage.as_deref(), manners.is_root))
            .clone()
    }
}
