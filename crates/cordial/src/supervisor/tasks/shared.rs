//! The state that the handles of a task supervisor and the processes of its incarnations share.

use std::fmt;
use std::future::ready;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cordial_sched::shard_of_this_thread;
use crossbeam_utils::CachePadded;
use futures_util::future::BoxFuture;

use super::builder::TaskSupervisorBuilder;
use super::children::TaskChildren;
use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{RestartError, RuntimeHandle, Supervise, Supervision, SupervisorKind};
use crate::supervisor::clock::Clock;
use crate::supervisor::incarnation::Incarnations;
use crate::supervisor::intensity::SharedIntensity;
use crate::supervisor::startable::WillRestart;
use crate::telemetry;

/// The children of the incarnation that runs, or else of the last one. `None` before the first.
type CurrentChildren = Option<Arc<TaskChildren>>;

/// The shared state of one task supervisor.
pub(super) struct TasksShared {
    pub(super) options: TaskSupervisorBuilder,
    pub(super) incarnations: Incarnations,
    pub(super) clock: Clock,
    /// One copy for each worker thread, so that threads that start children do not contend.
    children: Box<[CachePadded<Mutex<CurrentChildren>>]>,
    parent: Mutex<Option<TreeParent>>,
    pub(super) n_restarts: AtomicU64,
    pub(super) intensity: SharedIntensity,
}

/// The supervisor that has adopted this task supervisor.
#[derive(Debug)]
pub(super) struct TreeParent {
    pub(super) pid: Pid,
    /// The key of the task supervisor among the children of the parent.
    pub(super) key: u64,
    pub(super) will_restart: Weak<dyn WillRestart>,
}

impl TasksShared {
    pub(super) fn new(runtime: RuntimeHandle, options: TaskSupervisorBuilder) -> Arc<TasksShared> {
        let n_shards = runtime.executor().workers().unwrap_or(1);
        Arc::new(TasksShared {
            intensity: SharedIntensity::new(options.limit),
            options,
            clock: Clock::new(&runtime),
            children: (0..n_shards.max(1)).map(|_| CachePadded::default()).collect(),
            incarnations: Incarnations::new(runtime),
            parent: Mutex::default(),
            n_restarts: AtomicU64::new(0),
        })
    }

    pub(super) fn runtime(&self) -> &RuntimeHandle {
        self.incarnations.runtime()
    }

    /// Returns into how many shards the children of each incarnation are divided: one for each worker thread.
    pub(super) fn n_shards(&self) -> usize {
        self.children.len()
    }

    /// Calls `f` with the children of the incarnation that runs, or else of the last one; in a forked process, with `None`. `f` runs
    /// under a lock, so it must not run user code.
    pub(super) fn with_children<R>(&self, f: impl FnOnce(Option<&Arc<TaskChildren>>) -> R) -> R {
        if self.runtime().is_forked() {
            // Another thread may have held the lock at the fork.
            return f(None);
        }
        f(lock(&self.children[shard_of_this_thread(self.children.len())]).as_ref())
    }

    /// Returns the children of the incarnation that runs, or else of the last one.
    pub(super) fn children(&self) -> Option<Arc<TaskChildren>> {
        self.with_children(|children| children.cloned())
    }

    /// Sets the children of a new incarnation.
    pub(super) fn set_children(&self, children: &Arc<TaskChildren>) {
        for copy in &self.children {
            let previous = lock(copy).replace(children.clone());
            drop(previous);
        }
    }

    /// Locks and returns the parent; `None` if the supervisor has not been adopted.
    pub(super) fn parent(&self) -> MutexGuard<'_, Option<TreeParent>> {
        lock(&self.parent)
    }

    /// Turns the refusal of a stopped supervisor into `SupervisorRestarting` if its parent will start it again, or into the
    /// refusal of the runtime if that has refused to start it.
    pub(super) fn refine_refusal(&self, refusal: Refusal) -> Refusal {
        if refusal != Refusal::SupervisorStopped {
            return refusal;
        }
        let parent = self.parent().as_ref().map(|parent| (parent.will_restart.clone(), parent.key));
        let parent = parent.and_then(|(parent, key)| Some((parent.upgrade()?, key)));
        if parent.is_some_and(|(parent, key)| parent.will_restart(key)) {
            Refusal::SupervisorRestarting
        } else {
            self.incarnations.start_refusal().unwrap_or(refusal)
        }
    }

    /// Emits the event of a child that was refused.
    pub(super) fn emit_refused(&self, spawned_at: &'static Location<'static>, refusal: &Refusal) {
        telemetry::refused(spawned_at, Some(self.incarnations.pid()), refusal);
    }
}

impl Supervise for TasksShared {
    fn is_starting(&self, _: Pid) -> bool {
        // A task supervisor does not wait for the start of a child.
        false
    }

    fn kind(&self) -> SupervisorKind {
        SupervisorKind::Tasks
    }

    fn restart_child(self: Arc<Self>, _: Pid) -> BoxFuture<'static, Result<Pid, RestartError>> {
        Box::pin(ready(Err(RestartError::OfTaskSupervisor)))
    }

    fn supervision(&self) -> Supervision {
        let (children, now) = (self.children(), self.clock.now());
        let n_starting = children.as_ref().map_or(0, |children| children.restartable.n_starting());
        let inactive = children.as_ref().map(|children| children.restartable.inactive(now)).unwrap_or_default();
        Supervision {
            kind: self.kind(),
            incarnation: self.incarnations.number(),
            restarts: self.n_restarts.load(Ordering::Relaxed),
            max_children: self.options.max_children,
            n_running: children.map_or(0, |children| children.n_running()),
            n_starting,
            intensity: self.intensity.describe(now),
            inactive,
        }
    }
}

impl fmt::Debug for TasksShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TasksShared")
            .field("options", &self.options)
            .field("incarnations", &self.incarnations)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
