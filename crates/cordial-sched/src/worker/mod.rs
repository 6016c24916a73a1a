//! A worker thread: takes a task that is ready, polls it once, takes the next one, sleeps when there is none.
//!
//! ```text
//!        ┌───────────────────────────────────────────────────────────────────────────┐
//!        ▼                                                                           │
//!  LIFO slot ─► own queue ─► injector ─► steal ─► poll once ─► thread replaced? ─ no ┤
//!   (every 61st step: injector first)      │                    └ yes: park, or exit │
//!                                          └─ nothing ─► search ─► sleep ────────────┘
//! ```
//!
//! The files in reading order: this file (the thread, and the order in which it takes tasks),
//! `run_loop` (the loop), `search`. The queues and everything else that other threads see of a
//! worker are in `remote`, the state of the thread in `threads`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::run_loop::{LoopEnd, WorkerOps};
use crate::idle::{Idle, SearchResult};
use crate::pool::Pool;
use crate::priority::OsThread;
use crate::remote::progress::add;
use crate::remote::steal_policy::StealPolicy;
use crate::remote::{Local, Remote};
use crate::sync::{Ordering, Parker, Unparker};
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, LocalSchedule, Placement, SchedulerRef};
use crate::threads::{Resume, ThreadState};
use crate::unwind;

#[cfg(all(test, cordial_loom))]
pub(crate) mod models;
pub(crate) mod run_loop;
mod search;

/// Once in this many steps, a worker looks into the injector before its own slot and queue.
const INJECTOR_INTERVAL: u32 = 61;

/// How many tasks in a row a worker takes from its LIFO slot while there are tasks in its queue.
const LIFO_STREAK: u32 = 3;

/// How long a parked thread waits to be activated before it exits.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A worker, on its own thread.
struct WorkerThread {
    index: usize,
    pool: Arc<Pool>,
    scheduler: SchedulerRef,
    remote: Arc<Remote>,
    local: Local,
    lifo_streak: Cell<u32>,
    steps: Cell<u32>,
    steal_policy: StealPolicy,
    crowd: search::Crowd,
}

/// Makes the calling thread the worker with this index, until the pool stops or no longer needs the thread.
///
/// The caller has entered a tokio runtime and called `Hooks::thread_started`.
pub(crate) fn run(pool: &Arc<Pool>, index: usize, scheduler: SchedulerRef) {
    let remote = pool.queues.remote(index);
    *remote.os_thread.lock() = Some(OsThread::current());
    let worker = Rc::new(WorkerThread {
        index,
        pool: pool.clone(),
        scheduler,
        remote: remote.clone(),
        local: remote.take_local().expect("an index belongs to one thread at a time"),
        lifo_streak: Cell::new(0),
        steps: Cell::new(0),
        steal_policy: StealPolicy::default(),
        crowd: search::Crowd::default(),
    });
    schedule::enter(worker.clone());
    worker.run_until_exit();
    schedule::leave();
    worker.hand_over();
    let WorkerThread { local, .. } = Rc::into_inner(worker).expect("the other reference was dropped by `leave`");
    remote.put_back(local);
    pool.exit_worker(index);
}

/// Parks a thread that was replaced, until it is activated, [`IDLE_TIMEOUT`] has passed, or the pool stops. Returns what the
/// thread has to do next.
#[expect(clippy::disallowed_methods, reason = "a thread parks for real time")]
pub(crate) fn park_until_activated(pool: &Pool, index: usize, parker: &Parker) -> Resume {
    let deadline = std::time::Instant::now() + IDLE_TIMEOUT;
    // The parker may have a token of an earlier wake-up, so `park_deadline` can return although the thread was not activated.
    while pool.threads().state(index) == ThreadState::Parked && !pool.is_stopping() {
        parker.park_deadline(deadline);
        if std::time::Instant::now() >= deadline {
            break;
        }
    }
    pool.threads().idle_timeout(index)
}

impl WorkerThread {
    fn run_until_exit(&self) {
        while self.run_caught() == LoopEnd::Replaced {
            let mut resume = self.pool.resume(self.index);
            if resume == Resume::Park {
                self.hand_over();
                resume = park_until_activated(&self.pool, self.index, &self.local.parker);
            }
            if resume == Resume::End {
                return;
            }
        }
    }

    /// Runs the loop. The futures that are spawned catch their own panics. A panic that they miss does not end the thread.
    fn run_caught(&self) -> LoopEnd {
        loop {
            if let Ok(end) = unwind::catch(|| run_loop::run(self)) {
                return end;
            }
            // After a panic in the poll, or in `Runnable::finish` after it, the end of the poll is not recorded yet.
            if self.remote.progress.current().is_some() {
                self.remote.progress.end();
            }
        }
    }

    /// Moves the tasks in this worker's slot and queue to the injector, because this thread parks or ends.
    fn hand_over(&self) {
        let Local { queue, lifo_slot, .. } = &self.local;
        while let Some(task) = lifo_slot.pop().or_else(|| queue.pop()) {
            self.pool.inject(task);
        }
    }

    fn take_injected(&self) -> Option<Runnable> {
        self.pool.queues.take_injected(&self.local.queue)
    }

    fn steal(&self) -> Option<Runnable> {
        self.pool.queues.steal(&self.local.queue, &self.remote, &self.steal_policy)
    }
}

impl WorkerOps for WorkerThread {
    type Task = Runnable;

    #[inline(always)]
    fn is_replaced(&self) -> bool {
        self.remote.is_replaced.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn is_stopping(&self) -> bool {
        self.pool.is_stopping()
    }

    #[inline(always)]
    fn next_task(&self) -> Option<Runnable> {
        let Local { queue, lifo_slot, .. } = &self.local;
        let step = self.steps.get().wrapping_add(1);
        self.steps.set(step);
        if step.is_multiple_of(INJECTOR_INTERVAL)
            && let Some(task) = self.take_injected()
        {
            return Some(task);
        }
        if let Some(task) = lifo_slot.pop() {
            // Two tasks that only wake each other may come from here for as long as the program runs.
            let streak = self.lifo_streak.get().saturating_add(1);
            self.lifo_streak.set(streak);
            if streak <= LIFO_STREAK || queue.is_empty() {
                return Some(task);
            }
            queue.push(task);
        }
        self.lifo_streak.set(0);
        queue.pop().or_else(|| self.take_injected()).or_else(|| self.steal())
    }

    #[inline(always)]
    fn search(&self) -> Option<Runnable> {
        self.steal_policy.begin_search();
        let task = search::search(&self.pool, &self.local.queue, &self.remote, &self.steal_policy, &self.crowd);
        self.pool.idle.record_search(match task {
            Some(_) => SearchResult::Found,
            None if self.steal_policy.has_skipped() => SearchResult::Skipped,
            None => SearchResult::Nothing,
        });
        task
    }

    #[inline(always)]
    fn recheck(&self) -> Option<Runnable> {
        let from_slot = || if self.steal_policy.has_skipped() { None } else { self.pool.queues.steal_any_lifo_slot() };
        self.take_injected().or_else(|| self.steal()).or_else(from_slot)
    }

    #[inline(always)]
    fn poll(&self, task: Runnable) {
        self.remote.progress.begin(task.header().key());
        schedule::poll(task, || self.remote.progress.end());
    }

    #[inline(always)]
    fn has_injected(&self) -> bool {
        self.pool.queues.has_injected()
    }

    #[inline(always)]
    fn has_queued(&self) -> bool {
        self.pool.queues.has_queued()
    }

    #[inline(always)]
    fn idle(&self) -> &Idle {
        &self.pool.idle
    }

    #[inline(always)]
    fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    fn unparker(&self) -> &Unparker {
        &self.remote.unparker
    }

    #[inline(always)]
    fn park(&self) {
        add(&self.remote.progress.parks, 1);
        self.local.parker.park();
    }
}

impl LocalSchedule for WorkerThread {
    fn push(&self, task: Runnable, placement: Placement) -> Result<(), Runnable> {
        if task.scheduler() != &self.scheduler {
            return Err(task);
        }
        let Local { queue, lifo_slot, .. } = &self.local;
        // A poll that sysmon has seen twice may be a long one. A task in the LIFO slot would wait until that poll ends, or until sysmon moves
        // the task; other workers steal from the queue sooner.
        if placement == Placement::Last || self.remote.progress.is_seen_twice() {
            queue.push(task);
        } else {
            let previous = lifo_slot.pop();
            lifo_slot.push(task);
            let Some(previous) = previous else {
                self.pool.idle.notify_slot_push();
                return Ok(());
            };
            queue.push(previous);
        }
        self.pool.idle.notify_queue_push();
        Ok(())
    }

    fn is_worker_of(&self, scheduler: &SchedulerRef) -> bool {
        self.scheduler == *scheduler
    }

    fn poll_first_seen(&self) -> Option<u64> {
        self.remote.progress.seen_twice().map(|(_, first_seen)| first_seen)
    }
}
