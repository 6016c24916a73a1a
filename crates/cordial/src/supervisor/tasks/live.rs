//! A task supervisor behind its handles: what stays the same from one incarnation to the next, and what runs now.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use cordial_sched::shard_of_this_thread;
use crossbeam_utils::CachePadded;
use tokio::sync::mpsc;

use super::builder::TaskSupervisorBuilder;
use super::roster::{Roster, lock};
use super::serve::serve;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    Ancestry, ChildSlot, Guardian, Handle, ReportSlot, Spawn, Supervise, Supervision, attach_to_owner, current,
};
use crate::supervisor::Belongs;
use crate::supervisor::life::Life;
use crate::supervisor::nested::Outlook;

/// `None` before the first incarnation.
type Current = Option<Arc<Roster>>;

/// Whose child it is.
#[derive(Debug)]
pub(super) struct ChildOfTree {
    pub(super) parent: Pid,
    pub(super) key: u32,
    pub(super) outlook: Weak<dyn Outlook>,
}

/// What the handles share.
pub(super) struct Live {
    pub(super) options: TaskSupervisorBuilder,
    pub(super) life: Life,
    /// The children of the incarnation that runs now, or ran last: one copy for each thread, so that those that start
    /// children do not meet.
    rosters: Box<[CachePadded<Mutex<Current>>]>,
    pub(super) parent: Mutex<Option<ChildOfTree>>,
    pub(super) restarts: AtomicU64,
}

impl Live {
    pub(super) fn new(runtime: Handle, options: TaskSupervisorBuilder) -> Arc<Live> {
        let n_shards = runtime.executor().workers().unwrap_or(1);
        Arc::new(Live {
            options,
            rosters: (0..n_shards.max(1)).map(|_| CachePadded::default()).collect(),
            life: Life::new(runtime),
            parent: Mutex::default(),
            restarts: AtomicU64::new(0),
        })
    }

    pub(super) fn runtime(&self) -> &Handle {
        self.life.runtime()
    }

    /// The children of the incarnation that runs now, or ran last.
    pub(super) fn roster(&self) -> Option<Arc<Roster>> {
        self.with_roster(|roster| roster.cloned())
    }

    /// Says more of a refusal, if somebody is to start this supervisor again.
    pub(super) fn explain(&self, refusal: Refusal) -> Refusal {
        if refusal != Refusal::SupervisorStopped {
            return refusal;
        }
        let known = lock(&self.parent).as_ref().map(|child| (child.outlook.clone(), child.key));
        let outlook = known.and_then(|(outlook, key)| Some((outlook.upgrade()?, key)));
        if outlook.is_some_and(|(outlook, key)| outlook.starts_again(key)) {
            Refusal::SupervisorRestarting
        } else {
            refusal
        }
    }

    /// Nothing of the user's may run inside `f`.
    pub(super) fn with_roster<R>(&self, f: impl FnOnce(Option<&Arc<Roster>>) -> R) -> R {
        f(lock(&self.rosters[shard_of_this_thread(self.rosters.len())]).as_ref())
    }

    /// Starts the next incarnation: as a child in this place, or for whom the options say.
    pub(super) fn start(self: &Arc<Live>, place: Option<ChildSlot>) -> Result<(Pid, ReportSlot), Refusal> {
        let runtime = self.runtime().clone();
        let is_child = place.is_some();
        let owner = current()
            .filter(|_| !is_child && self.options.belongs == Belongs::ToStarter)
            .filter(|owner| runtime.with(*owner, |_| ()).is_some());
        let incarnation = self.life.next();
        let (ends, ended) = mpsc::unbounded_channel();
        let roster = Arc::new(Roster::new(self.rosters.len(), self.options.max_children, ends));
        let (told, exits) = mpsc::unbounded_channel();
        let guardian = Guardian {
            owner,
            number: runtime.next_guardian_number(),
            after: None,
            is_killed: false,
            supervisor: self.clone(),
            report: incarnation.report.clone(),
        };
        let mut spawn = Spawn::new(self.options.spawned_at);
        spawn.child_slot = place;
        spawn.guardian = Some(Box::new((guardian, told)));
        spawn.label.clone_from(&self.options.label);
        if owner.is_some() {
            spawn = spawn.linked();
        } else if !is_child {
            // It does not descend from whoever happens to start it.
            spawn.ancestry = Ancestry::Known(None);
        }
        let served = serve(self.clone(), roster.clone(), incarnation.clone(), exits, ended);
        let started = spawn.start(&runtime, served, Err::<(), Exit>);
        let pid = match started {
            Ok(started) => started.pid,
            Err(refusal) => {
                roster.close();
                self.life.refused(&incarnation, Exit::Refused(refusal.clone()));
                return Err(refusal);
            }
        };
        if let Some(owner) = owner {
            attach_to_owner(&runtime, owner, pid);
        }
        self.life.started(&incarnation, pid);
        roster.open(pid, self.options.shutdown);
        // Now that it has a pid, which its children name.
        for copy in &self.rosters {
            let previous = lock(copy).replace(roster.clone());
            drop(previous);
        }
        Ok((pid, incarnation.report))
    }
}

impl Supervise for Live {
    fn supervision(&self) -> Supervision {
        let roster = self.roster();
        let waiting = roster.as_ref().map(|roster| roster.kept.waiting()).unwrap_or_default();
        Supervision {
            strategy: "tasks",
            incarnation: self.life.current().number,
            restarts: self.restarts.load(Ordering::Relaxed),
            max_children: self.options.max_children,
            n_running: roster.map_or(0, |roster| roster.n_running()),
            without_process: waiting.into_iter().map(|id| (id, true)).collect(),
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("options", &self.options).field("life", &self.life).finish_non_exhaustive()
    }
}
