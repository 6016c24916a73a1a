//! What the worker threads and sysmon of one executor share: thread states, queues, which threads
//! sleep, and how the pool stops.
//!
//! The pool does not know how its threads are started or what they run: the executor passes that in as [`Callbacks`].

use std::cell::RefCell;
use std::io;
use std::mem::ManuallyDrop;
use std::time::Duration;

use slab::Slab;

use crate::idle::Idle;
use crate::remote::queues::Queues;
use crate::statistics::Statistics;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering, Parker, Unparker};
use crate::task::runnable::Runnable;
use crate::task::schedule;
use crate::threads::running::RunningThreads;
use crate::threads::{Activation, Resume, ResumeOutcome, Threads};

pub(crate) struct Pool {
    pub(crate) queues: Queues,
    pub(crate) idle: Idle,
    /// Polls that lasted for `stall_after`. Written by sysmon.
    pub(crate) long_polls: AtomicU64,
    running: RunningThreads,
    /// The threads that wait in `stop` for the workers to end.
    stop_waiters: Mutex<Slab<Unparker>>,
    /// How many of the threads that wait now are workers of this pool.
    n_waiting_workers: AtomicUsize,
    callbacks: Callbacks,
}

/// What the pool needs of the executor that owns it.
pub(crate) struct Callbacks {
    pub(crate) spawn_worker: SpawnWorker,
    pub(crate) on_foreign_thread: OnForeignThread,
    /// Called when all threads of a pool that is stopping have ended: by the last of them, or by the thread that failed to
    /// start one.
    pub(crate) on_all_exited: Box<dyn Fn() + Send + Sync>,
}

/// The thread that stops a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoppedBy {
    /// A worker of this pool, which cannot end before the call returns.
    OwnWorker,
    OtherThread,
}

/// Starts a thread that calls `worker::run` with this index. Returns `Ok(false)` if the executor is being dropped.
pub(crate) type SpawnWorker = Box<dyn Fn(usize) -> io::Result<bool> + Send + Sync>;

/// Calls its argument, which runs tasks, on a thread that is not a worker of the executor.
pub(crate) type OnForeignThread = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

impl Pool {
    /// Makes a pool without threads. `sysmon` is the unparker of its sysmon.
    pub(crate) fn new(threads: Threads, sysmon: Unparker, callbacks: Callbacks) -> Pool {
        Pool {
            queues: Queues::new(threads),
            idle: Idle::new(sysmon),
            long_polls: AtomicU64::new(0),
            running: RunningThreads::new(),
            stop_waiters: Mutex::new(Slab::new()),
            n_waiting_workers: AtomicUsize::new(0),
            callbacks,
        }
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.queues.threads
    }

    /// Starts as many worker threads as should be active.
    pub(crate) fn start_workers(&self) -> io::Result<()> {
        (0..self.threads().workers()).try_for_each(|_| self.activate(self.threads().activate()).map(drop))
    }

    /// Unparks or starts a thread, as the table of threads has decided. Returns `false` if there are `max_threads` threads
    /// already, if the executor is being dropped, or if the last thread of a pool that is stopping has ended.
    ///
    /// # Errors
    ///
    /// If the system refuses to start a thread, or the address space has no room for it. This is an error even if a
    /// thread that has parked meanwhile is activated instead.
    pub(crate) fn activate(&self, activation: Activation) -> io::Result<bool> {
        match activation {
            Activation::AtLimit => Ok(false),
            Activation::Unpark(index) => {
                self.queues.remote(index).unparker.unpark();
                Ok(true)
            }
            Activation::Spawn(index) => {
                self.queues.open(index);
                if !self.running.thread_starts() {
                    // The last thread has ended since this activation was decided, and runs the remaining tasks.
                    self.threads().release(index);
                    return Ok(false);
                }
                let spawned = (self.callbacks.spawn_worker)(index);
                if !matches!(spawned, Ok(true)) {
                    if let Some(parked) = self.threads().refused(index) {
                        self.queues.remote(parked).unparker.unpark();
                    }
                    if self.thread_exited() {
                        (self.callbacks.on_foreign_thread)(&mut || self.run_remaining_tasks());
                        (self.callbacks.on_all_exited)();
                    }
                }
                // Sysmon may sleep, and has to see the new thread.
                self.idle.wake_sysmon();
                spawned
            }
        }
    }

    /// Makes a stand-in active for a worker in a long poll, and lets that worker know. Returns `None` if the worker is
    /// not active. The caller must call [`activate`](Pool::activate).
    pub(crate) fn replace_blocked(&self, index: usize) -> Option<Activation> {
        let activation = self.threads().replace_blocked(index)?;
        if activation != Activation::AtLimit {
            // Set after the state has changed: see `threads/README.md`.
            self.queues.remote(index).is_replaced.store(true, Ordering::Relaxed);
        }
        Some(activation)
    }

    /// Called by a worker that has noticed that it was replaced. Returns what the worker has to do.
    pub(crate) fn resume(&self, index: usize) -> Resume {
        // Cleared before the state changes: see `threads/README.md`.
        self.queues.remote(index).is_replaced.store(false, Ordering::Relaxed);
        // A thread without a remote is about to be started, and no thread had its index before.
        let may_be_displaced =
            |other| self.queues.try_remote(other).is_some_and(|remote| remote.progress.seen_twice().is_none());
        let ResumeOutcome { resume, displaced } = self.threads().resume(index, may_be_displaced);
        if let Some(stand_in) = displaced {
            // As `replace_blocked` does. Sysmon unparks the stand-in if it sleeps.
            self.queues.remote(stand_in).is_replaced.store(true, Ordering::Relaxed);
        }
        resume
    }

    pub(crate) fn inject(&self, task: Runnable) {
        self.queues.inject(task);
        self.idle.notify();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.running.is_stopping()
    }

    /// Returns whether all threads of a pool that is stopping have ended. If so, a thread that pushes a task must call
    /// [`run_remaining_tasks`](Pool::run_remaining_tasks).
    pub(crate) fn have_all_exited(&self) -> bool {
        self.running.have_all_exited()
    }

    /// Returns whether all threads of a pool that is stopping have ended and left tasks in the queues.
    pub(crate) fn has_remaining_tasks(&self) -> bool {
        self.have_all_exited() && self.queues.has_queued()
    }

    /// Lets the threads end once no task is ready, and waits for them. Returns how many have not ended after `limit`.
    ///
    /// A worker of this pool does not wait for itself, nor for other workers that wait here.
    pub(crate) fn stop(&self, limit: Duration, stopped_by: StoppedBy) -> usize {
        // Not `std::thread::park`, which panics in a handler of `atexit`.
        let parker = Parker::new();
        let waiter = self.stop_waiters.lock().insert(parker.unparker().clone());
        if stopped_by == StoppedBy::OwnWorker {
            // SeqCst, as the read below: of two workers that come at the same time, the later one sees both, and wakes the other.
            self.n_waiting_workers.fetch_add(1, Ordering::SeqCst);
            self.wake_stop_waiters();
        }
        self.begin_stop();
        #[expect(clippy::disallowed_methods, reason = "threads end in real time")]
        let started = std::time::Instant::now();
        let left = loop {
            let n_waiting = match stopped_by {
                StoppedBy::OwnWorker => self.n_waiting_workers.load(Ordering::SeqCst),
                StoppedBy::OtherThread => 0,
            };
            let left = self.running.n_running().saturating_sub(n_waiting);
            let waited = started.elapsed();
            if left == 0 || waited >= limit {
                break left;
            }
            parker.park_timeout(limit - waited);
        };
        if stopped_by == StoppedBy::OwnWorker {
            self.n_waiting_workers.fetch_sub(1, Ordering::SeqCst);
        }
        self.stop_waiters.lock().remove(waiter);
        left
    }

    /// Lets all threads end, and wakes those that sleep.
    pub(crate) fn begin_stop(&self) {
        self.running.stop(&self.idle);
        // A worker whose remote is not seen here sees that the pool is stopping: see `idle/README.md`.
        self.queues.unpark_all();
    }

    /// Called by the thread with this index before it ends. Activates a replacement if too few threads are active. The
    /// last thread of a pool that is stopping runs the remaining tasks.
    pub(crate) fn exit_worker(&self, index: usize) {
        self.threads().release(index);
        // In a pool that stops, sysmon activates a thread if one is missed.
        if !self.is_stopping()
            && let Some(replacement) = self.threads().activate_if_missing()
        {
            // If the system refuses a thread, a blocked thread that resumes stays active.
            let _ = self.activate(replacement);
        }
        if self.thread_exited() {
            self.run_remaining_tasks();
            (self.callbacks.on_all_exited)();
        }
    }

    /// Counts a thread as ended. Returns `true` if the caller has to run the remaining tasks.
    #[must_use = "the remaining tasks would never run"]
    fn thread_exited(&self) -> bool {
        let has_to_run_remaining_tasks = self.running.thread_exited();
        self.wake_stop_waiters();
        has_to_run_remaining_tasks
    }

    fn wake_stop_waiters(&self) {
        self.stop_waiters.lock().iter().for_each(|(_, waiter)| waiter.unpark());
    }

    /// Runs all queued tasks on this thread, because no worker is left. The layer above has cancelled each of them, so a
    /// task only cleans up.
    ///
    /// Such a task may wake another task, and the wake-up calls this function again, inside the
    /// outer call. That is needed where the first task blocks until the second has run. Beyond a
    /// fixed depth the inner call leaves the task to the outer call, so that a long chain of
    /// wake-ups does not overflow the stack.
    pub(crate) fn run_remaining_tasks(&self) {
        let own = std::ptr::from_ref(self).addr();
        let is_too_deep = NESTED.with(|nested| {
            let mut nested = nested.borrow_mut();
            let is_too_deep = nested.iter().filter(|pool| **pool == own).count() >= MAX_DEPTH;
            if !is_too_deep {
                nested.push(own);
            }
            is_too_deep
        });
        if is_too_deep {
            return;
        }
        while let Some(task) = self.queues.take_any() {
            schedule::poll_caught(task);
        }
        NESTED.with(|nested| {
            let mut nested = nested.borrow_mut();
            nested.pop();
            if nested.is_empty() {
                drop(std::mem::take(&mut **nested));
            }
        });
    }

    /// Returns what the threads do now, and what they have done so far.
    pub(crate) fn statistics(&self) -> Statistics {
        let (injected, queued) = self.queues.lengths();
        let threads = self.threads().counts();
        let mut statistics = Statistics {
            workers: threads.active,
            stand_ins: threads.inactive(),
            deprioritized: threads.deprioritized,
            injected,
            queued,
            long_polls: self.long_polls.load(Ordering::Relaxed),
            ..Statistics::default()
        };
        for remote in self.queues.all_remotes() {
            let progress = &remote.progress;
            statistics.polls += progress.finished();
            statistics.steals += progress.steals.load(Ordering::Relaxed);
            statistics.parks += progress.parks.load(Ordering::Relaxed);
            statistics.busy_samples.push(progress.busy_samples.load(Ordering::Relaxed));
        }
        statistics
    }
}

/// How many calls of `run_remaining_tasks` for one pool may be nested on a thread.
const MAX_DEPTH: usize = 8;

// The addresses of the pools whose remaining tasks this thread runs, the innermost last. Without a destructor, because it is
// needed in the destructors of other thread-locals; the outermost call frees its memory.
thread_local!(static NESTED: RefCell<ManuallyDrop<Vec<usize>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) });
