//! The children of one incarnation of a task supervisor.
//!
//! A start sends no message to the process of the supervisor. Children without a specification are in shards, one for each worker
//! thread, so that threads that start such children at the same time do not contend. The limit on the number of children is
//! one semaphore for all threads; without a limit there is no semaphore.
//!
//! ```text
//!  start ─► this thread's shard ─► slot in its list ─► process in the process table ─► `registered`
//!             │ closed: refused                                                            │
//!             │                                                  closed since: shut down ──┘
//!  stop  ─► close all shards ─► shut down the registered children ─► all lists empty: `drained`
//! ```
//!
//! A slot is taken while its shard is open, and freed when the process has exited. So a list that is empty after its
//! shard was closed stays empty.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordial_sched::shard_of_this_thread;
use crossbeam_utils::CachePadded;
use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::child_limit::ChildLimit;
use super::restartable::{RestartableChildren, RestartableExit};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry, ChildSlot, NextIncarnation, Parent, RuntimeHandle, Shutdown};
use crate::supervisor::child_counts::ChildCounts;

/// A list that has become empty keeps its memory for this many children.
const KEPT: usize = 1024;

/// The children of one incarnation.
#[derive(Debug)]
pub(super) struct TaskChildren {
    pub(super) limit: Arc<ChildLimit>,
    pub(super) restartable: Arc<RestartableChildren>,
    shards: Box<[CachePadded<Shard>]>,
    /// Notified when a list has become empty after [`close`](TaskChildren::close).
    drained: Arc<Notify>,
}

/// The temporary children that were started on one worker thread, or on other threads that share its shard.
#[derive(Debug)]
struct Shard {
    /// What the children have in common. `None` before the shard is opened and after it is closed.
    parent: Mutex<Option<Arc<Parent>>>,
    temporary: Arc<TemporaryChildren>,
}

/// Children that are not started again.
#[derive(Debug)]
struct TemporaryChildren {
    list: Mutex<List>,
    limit: Arc<ChildLimit>,
    drained: Arc<Notify>,
    /// Whether `set_root` was called.
    is_handed_over: AtomicBool,
}

#[derive(Debug)]
struct List {
    /// `Pid::NO_PROCESS` while a process is being started. A slab of `Option<Pid>` would take 8 bytes more for each child.
    pids: Slab<Pid>,
    admission: Admission,
}

impl TaskChildren {
    /// Creates the tables. They are closed until `open` is called.
    pub(super) fn new(
        n_shards: usize,
        max_children: Option<usize>,
        exits: mpsc::UnboundedSender<RestartableExit>,
        runtime: &RuntimeHandle,
    ) -> TaskChildren {
        let (limit, drained) = (ChildLimit::new(max_children), Arc::new(Notify::new()));
        let restartable = Arc::new(RestartableChildren::new(limit.clone(), exits, drained.clone(), runtime));
        let temporary = || {
            let list = Mutex::new(List { pids: Slab::new(), admission: Admission::Open });
            let (limit, drained) = (limit.clone(), drained.clone());
            Arc::new(TemporaryChildren { list, limit, drained, is_handed_over: AtomicBool::new(false) })
        };
        let shard = || CachePadded::new(Shard { parent: Mutex::default(), temporary: temporary() });
        let shards = (0..n_shards.max(1)).map(|_| shard()).collect();
        TaskChildren { shards, limit, restartable, drained }
    }

    /// Lets the supervisor `pid`, which descends from `root`, start children, unless `close` was called before. `shutdown` says how it
    /// stops them.
    pub(super) fn open(&self, pid: Pid, root: Option<Pid>, shutdown: Shutdown) {
        for shard in &self.shards {
            let mut parent = lock(&shard.parent);
            if shard.temporary.lock().admission == Admission::Open {
                let children = shard.temporary.clone();
                *parent = Some(Arc::new(Parent { pid, root, id: None, incarnation: 1, shutdown, children }));
            }
        }
    }

    /// Sets the root process of the present and later children, after the supervisor was handed over. The processes that a child has
    /// already spawned keep their root.
    pub(super) fn set_root(&self, runtime: &RuntimeHandle, root: Option<Pid>) {
        // A child that another thread is starting is either in the list that is read below, or is registered after that. In the second
        // case, the other thread takes the lock of the list after this thread has released it, and so sees the flag: Relaxed is enough.
        self.restartable.is_handed_over.store(true, Ordering::Relaxed);
        for shard in &self.shards {
            shard.temporary.is_handed_over.store(true, Ordering::Relaxed);
            if let Some(parent) = &mut *lock(&shard.parent) {
                Arc::make_mut(parent).root = root;
            }
        }
        for pid in self.pids() {
            runtime.with(pid, |entry| entry.set_root(root));
        }
    }

    /// Takes a slot for a temporary child. The caller must hold a permit for the child.
    pub(super) fn slot(&self) -> Result<ChildSlot, Refusal> {
        let shard = &self.shards[shard_of_this_thread(self.shards.len())];
        let parent = lock(&shard.parent);
        let parent = parent.as_ref().ok_or(Refusal::SupervisorStopped)?;
        let index = shard.temporary.lock().pids.insert(Pid::NO_PROCESS);
        Ok(ChildSlot::new(parent.clone(), index as u64))
    }

    /// Refuses all further children. A child whose slot is taken is stopped when its process is registered, as
    /// `admission` says.
    pub(super) fn close(&self, admission: Admission) {
        self.limit.close();
        for shard in &self.shards {
            let mut parent = lock(&shard.parent);
            shard.temporary.lock().admission = admission;
            *parent = None;
        }
        self.restartable.close(admission);
    }

    /// Returns whether a child has a slot but no process in the process table yet. This state is short: the starting
    /// thread registers the process right after it takes the slot.
    pub(super) fn is_starting(&self) -> bool {
        let is_starting =
            |shard: &CachePadded<Shard>| shard.temporary.lock().pids.iter().any(|(_, pid)| *pid == Pid::NO_PROCESS);
        self.shards.iter().any(is_starting) || self.restartable.is_starting()
    }

    /// Returns the processes of all children, including those of restarts that are starting, in no order.
    pub(super) fn pids(&self) -> Vec<Pid> {
        let mut pids = self.temporary();
        pids.extend(self.restartable.pids());
        pids
    }

    /// Returns the processes of the children that are running, in no order.
    pub(super) fn running(&self) -> Vec<Pid> {
        let mut pids = self.temporary();
        pids.extend(self.restartable.running());
        pids
    }

    fn temporary(&self) -> Vec<Pid> {
        let mut pids = Vec::new();
        for shard in &self.shards {
            let list = shard.temporary.lock();
            pids.extend(list.pids.iter().map(|(_, pid)| *pid).filter(|pid| *pid != Pid::NO_PROCESS));
        }
        pids
    }

    /// Returns how many processes the children have, including those that are being started.
    pub(super) fn n_running(&self) -> usize {
        self.n_temporary() + self.restartable.n_running()
    }

    fn n_temporary(&self) -> usize {
        self.shards.iter().map(|shard| shard.temporary.lock().pids.len()).sum()
    }

    /// Returns how many children there are.
    pub(super) fn counts(&self) -> ChildCounts {
        let (n_running, n_restarting) = self.restartable.counts();
        let active = self.n_temporary() + n_running;
        let specs = active + n_restarting;
        ChildCounts { specs, active, supervisors: 0, workers: specs }
    }

    /// Waits until all children have exited, after `close`. Cancel safe.
    pub(super) async fn wait_until_drained(&self) {
        while self.n_running() > 0 {
            self.drained.notified().await;
        }
    }

    /// Kills all children and refuses further children, without waiting.
    pub(super) fn kill(&self, runtime: &RuntimeHandle) {
        self.close(Admission::Killed);
        self.pids().into_iter().for_each(|pid| runtime.kill(pid));
    }
}

impl TemporaryChildren {
    fn lock(&self) -> MutexGuard<'_, List> {
        lock(&self.list)
    }
}

impl ChildRegistry for TemporaryChildren {
    fn next_incarnation(&self, _: u64) -> NextIncarnation {
        NextIncarnation::Never
    }

    fn registered(&self, index: u64, pid: Pid) -> Admission {
        let mut list = self.lock();
        list.pids[index as usize] = pid;
        list.admission
    }

    fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Relaxed)
    }

    fn exited(&self, index: u64, _: Option<&Exit>) {
        let is_drained = {
            let mut list = self.lock();
            list.pids.remove(index as usize);
            if list.pids.is_empty() && list.pids.capacity() > KEPT {
                list.pids = Slab::new();
            }
            list.admission != Admission::Open && list.pids.is_empty()
        };
        self.limit.release();
        if is_drained {
            self.drained.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
