//! An executor, and the handle on it.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::executor::dropped_timers::DroppedTimers;
use crate::executor::hook_calls::HookCalls;
use crate::executor::hooks::Hooks;
use crate::pool::{Pool, StoppedBy};
use crate::priority::OsThread;
use crate::remote::Remote;
use crate::simulation::queue::SeededQueue;
use crate::statistics::{Statistics, ThreadStatistics, WorkerState};
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::table::Key;
use crate::task::allocator::TaskAllocator;
use crate::task::schedule;
use crate::thread_limit::FilledRoom;
use crate::threads::ThreadState;
use crate::tick_clock::TickClock;
use crate::timeout::{Instant, Timeouts};
use crate::unwind;

/// A handle on an executor. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    local: Arc<LocalCount>,
}

/// Hides the type `Core`. Otherwise the debug information of every module that uses a handle would describe the whole
/// executor, tokio's runtime included: that made a small program twice as large.
trait HasCore: Send + Sync {
    fn core(&self) -> &Core;
}

impl HasCore for Core {
    fn core(&self) -> &Core {
        self
    }
}

/// Identifies one poll of an executor. If a task is seen twice in polls with the same id, these are one
/// poll, which has not returned in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollId {
    worker: usize,
    /// The number of the poll among those of that worker.
    poll: u64,
}

/// The state that a handle shares with its clones. The `Arc` around it counts these handles. Each worker and each thread of tokio has a
/// `LocalCount` of its own, so that these threads do not contend for one counter.
struct LocalCount {
    core: Arc<dyn HasCore>,
    /// The same as `core` has. Kept here as well, so that it is reached without a virtual call.
    common: Arc<Common>,
}

/// The state of an executor that every spawn and every await needs.
pub(super) struct Common {
    pub(super) tasks: TaskAllocator,
    pub(super) timeouts: Arc<Timeouts>,
    pub(super) is_closed: AtomicBool,
    /// Notices a fork. `None` in a simulation, which has no threads that a forked process could miss.
    pub(super) fork_guard: Option<forkguard::Guard>,
}

/// The state of one executor.
pub(super) struct Core {
    pub(super) common: Arc<Common>,
    pub(super) scheduler: Scheduler,
    pub(super) dropped_timers: Arc<DroppedTimers>,
    pub(super) hooks: Arc<dyn Hooks>,
    pub(super) hook_calls: Arc<HookCalls>,
    pub(super) started: Instant,
    /// Started just before `started`. Not used in a simulation.
    pub(super) tick_clock: TickClock,
    /// Set before the first handle exists.
    pub(super) tokio: OnceLock<tokio::runtime::Handle>,
    /// Taken by `shut_down_tokio`. `None` in a simulation.
    pub(super) tokio_runtime: Mutex<Option<tokio::runtime::Runtime>>,
    /// Freed with the executor, not earlier: without it, glibc could take most of a limited address space for the heap of one thread, and
    /// leave too little for the other threads.
    pub(super) _filled: FilledRoom,
}

impl Common {
    pub(super) fn new(
        tasks: TaskAllocator,
        timeouts: Arc<Timeouts>,
        fork_guard: Option<forkguard::Guard>,
    ) -> Arc<Common> {
        Arc::new(Common { tasks, timeouts, is_closed: AtomicBool::new(false), fork_guard })
    }

    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        // A guard reports a fork only once, so a new clone is asked each time.
        self.fork_guard.as_ref().is_some_and(|guard| guard.clone().detected_fork())
    }
}

/// The scheduler that runs the tasks.
pub(super) enum Scheduler {
    Threads(Arc<Pool>),
    Simulated(SeededQueue),
}

impl Executor {
    pub(super) fn of(core: Arc<Core>) -> Executor {
        let common = core.common.clone();
        Executor { local: Arc::new(LocalCount { core, common }) }
    }

    /// Returns a handle with a new reference count, which its clones share. Meant for one more thread that starts tasks: that thread does
    /// not contend with others for one counter.
    #[must_use]
    pub fn with_local_count(&self) -> Executor {
        let LocalCount { core, common } = &*self.local;
        Executor { local: Arc::new(LocalCount { core: core.clone(), common: common.clone() }) }
    }

    /// Returns the hooks, if they are of type `H`.
    pub fn hooks<H: Hooks>(&self) -> Option<&H> {
        let hooks: &dyn Any = &*self.core().hooks;
        hooks.downcast_ref()
    }

    /// Like [`hooks`](Executor::hooks), but returns an `Arc`.
    pub fn shared_hooks<H: Hooks>(&self) -> Option<Arc<H>> {
        let hooks: Arc<dyn Any + Send + Sync> = self.core().hooks.clone();
        hooks.downcast().ok()
    }

    pub(crate) fn hooks_dyn(&self) -> &dyn Hooks {
        &*self.core().hooks
    }

    /// Returns the milliseconds since the executor was started.
    ///
    /// Use it for ages, not for deadlines. On a worker, the clock is usually up to 2 ms late. Shortly after all workers were asleep, it is
    /// up to 4 ms late. In a long poll during which nothing else runs, and shortly after such a poll, it is up to 33 ms late.
    pub fn coarse_now(&self) -> u64 {
        match &self.core().scheduler {
            // The caller is a worker that is awake, so sysmon updates the clock. While the pool stops, sysmon updates
            // it less often.
            Scheduler::Threads(pool) if self.is_own_worker() && !pool.is_stopping() => pool.idle.clock.read(),
            Scheduler::Threads(pool) => pool.idle.clock.update(),
            Scheduler::Simulated(_) => {
                let since_start = self.now().saturating_duration_since(self.core().started);
                u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Like [`coarse_now`](Executor::coarse_now), and cheaper. Meant for a poll of a task of this executor; elsewhere,
    /// there is no limit to how late the clock is.
    pub fn coarse_now_in_task(&self) -> u64 {
        match &self.core().scheduler {
            Scheduler::Threads(pool) => pool.idle.clock.read(),
            Scheduler::Simulated(_) => self.coarse_now(),
        }
    }

    /// Returns the time as [`coarse_now_in_task`](Executor::coarse_now_in_task) does. Returns `None` in a simulation and in a forked process,
    /// where the caller must not take a fast path.
    #[inline]
    pub fn quick_now(&self) -> Option<u64> {
        match &self.core().scheduler {
            Scheduler::Threads(pool) if !self.is_forked() => Some(pool.idle.clock.read()),
            _ => None,
        }
    }

    /// Returns the current polls that have lasted for about a millisecond or more: of which task, and for how long. The times may be up
    /// to two milliseconds too short. Empty in a simulation.
    pub fn long_polls(&self) -> Vec<(Key, Duration)> {
        let Some(pool) = self.pool() else { return Vec::new() };
        let now = pool.idle.clock.update();
        let lasted = |since: u64| Duration::from_millis(now.saturating_sub(since));
        let long = pool.queues.remotes().filter_map(|(_, remote)| remote.progress.seen_twice());
        long.map(|(key, since)| (key, lasted(since))).collect()
    }

    /// Returns how long the current poll of the calling worker has lasted, if that is about a millisecond or more. The time may be up
    /// to two milliseconds too short. `None` on a thread that is not a worker of this executor.
    pub fn own_poll_lasted(&self) -> Option<Duration> {
        let pool = self.pool()?;
        if !self.is_own_worker() {
            // On a worker of another executor, the poll would be measured with the wrong clock.
            return None;
        }
        let first_seen = schedule::poll_first_seen()?;
        let now = pool.idle.clock.update();
        Some(Duration::from_millis(now.saturating_sub(first_seen)))
    }

    /// Returns the task and the id of each poll that is running. Empty in a simulation, where nothing else runs during a
    /// poll.
    pub fn current_polls(&self) -> Vec<(Key, PollId)> {
        let Some(pool) = self.pool() else { return Vec::new() };
        let current = pool.queues.remotes().filter_map(|(worker, remote)| {
            let (poll, key) = remote.progress.current()?;
            Some((key, PollId { worker, poll }))
        });
        current.collect()
    }

    /// Returns the time on this executor's clock, which is virtual in a simulation.
    pub fn now(&self) -> Instant {
        if self.is_simulated() {
            if tokio_has_no_context() {
                return self.core().started;
            }
            let _entered = self.tokio().enter();
            return Instant::now();
        }
        real_now()
    }

    /// Returns the tokio runtime that belongs to this executor.
    ///
    /// # Panics
    ///
    /// Never: the runtime is there before the first handle is handed out.
    pub fn tokio(&self) -> &tokio::runtime::Handle {
        self.core().tokio.get().expect("set before the executor is handed out")
    }

    /// Returns whether this is the executor of a [`Simulation`](crate::Simulation).
    pub fn is_simulated(&self) -> bool {
        matches!(self.core().scheduler, Scheduler::Simulated(_))
    }

    /// Returns the number of worker threads, stand-ins not counted. `None` in a simulation.
    pub fn workers(&self) -> Option<usize> {
        self.pool().map(|pool| pool.threads().workers())
    }

    /// Returns a random number. In a simulation it follows from the seed.
    pub fn random(&self) -> u64 {
        match &self.core().scheduler {
            Scheduler::Threads(_) => fastrand::u64(..),
            Scheduler::Simulated(queue) => queue.random(),
        }
    }

    /// Returns what the scheduler does at this moment, and what it has done so far. All counts are 0 in a forked process.
    pub fn statistics(&self) -> Statistics {
        match &self.core().scheduler {
            Scheduler::Threads(_) if self.is_forked() => Statistics::default(),
            Scheduler::Threads(pool) => pool.statistics(),
            Scheduler::Simulated(queue) => {
                Statistics { workers: 1, queued: queue.len(), polls: queue.n_polls(), ..Statistics::default() }
            }
        }
    }

    /// Returns what each thread that runs tasks does at this moment, and what it has done so far, by index. Empty in a simulation
    /// and in a forked process.
    pub fn threads(&self) -> Vec<ThreadStatistics> {
        let Some(pool) = self.pool().filter(|_| !self.is_forked()) else { return Vec::new() };
        let now = pool.idle.clock.update();
        let states = pool.threads().states();
        let described = states.into_iter().enumerate().filter_map(|(index, state)| {
            let state = match state {
                ThreadState::Vacant => return None,
                ThreadState::Active => WorkerState::Active,
                ThreadState::Blocked { is_deprioritized } => WorkerState::Blocked { is_deprioritized },
                ThreadState::Parked => WorkerState::Parked,
                ThreadState::Exiting => WorkerState::Exiting,
            };
            // A thread without a remote is about to be started, and no thread had its index before.
            Some(describe(index, state, pool.queues.try_remote(index)?, now))
        });
        described.collect()
    }

    /// Returns whether [`close`](Executor::close) or [`refuse`](Executor::refuse) was called.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.common().is_closed.load(Ordering::SeqCst)
    }

    /// Returns whether this is a forked process, and the executor was started before the fork. Then this process has no thread of the
    /// executor, unless one of them made the fork. Another thread may have held any lock of the executor at the fork, so no lock must
    /// be taken. Always false in a simulation. Reads one counter.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.common().is_forked()
    }

    /// Marks the executor as closed, so that the layer above refuses new tasks. Running tasks
    /// continue.
    pub fn refuse(&self) {
        self.common().is_closed.store(true, Ordering::SeqCst);
    }

    /// Stops the threads once no task is ready. Must be called after the layer above has cancelled every task.
    ///
    /// Waits for `limit` at most. Returns how many worker threads have not exited, because they are still in a poll.
    /// Each of them exits when its poll returns; until then, tasks that wait behind it get stand-ins. If a worker of
    /// this executor calls `close`, it counts neither itself nor other workers that are in `close`, because none of
    /// them can exit before its call returns.
    ///
    /// tokio is shut down once all worker threads have exited, so that timers and sockets work until the last poll has
    /// returned. Does not wait for tokio's threads. In a forked process, which has none of the other threads, it only refuses
    /// new tasks.
    pub fn close(&self, limit: Duration) -> usize {
        self.refuse();
        if self.is_forked() {
            return 0;
        }
        let n_in_poll = self.pool().map_or(0, |pool| {
            let n_in_poll =
                pool.stop(limit, if self.is_own_worker() { StoppedBy::OwnWorker } else { StoppedBy::OtherThread });
            if pool.has_remaining_tasks() {
                // All threads have exited, or the operating system has refused them.
                self.hooks_dyn().on_foreign_thread(self, &mut || pool.run_remaining_tasks());
            }
            n_in_poll
        });
        self.core().hook_calls.close();
        // Timeouts that are armed, such as those of polls that have not returned, still elapse.
        self.common().timeouts.close();
        self.shut_down_tokio();
        n_in_poll
    }

    /// Shuts tokio down if all workers have exited. A poll that uses a timer or a socket of tokio after that would panic or fail.
    /// Called by the thread that closes the executor and by the last worker: the later of the two calls finds that all workers
    /// have exited.
    pub(super) fn shut_down_tokio(&self) {
        if self.pool().is_some_and(|pool| !pool.have_all_exited()) {
            return;
        }
        let tokio_runtime = self.core().tokio_runtime.lock().take();
        if let Some(runtime) = tokio_runtime {
            // Allowed in async code, unlike the destructor of a tokio runtime, since it waits for nothing.
            runtime.shutdown_background();
        }
    }

    /// Makes a call that may be slow, such as that of a subscriber, on the thread that calls hooks. For callers that must not wait, such as
    /// wakers on the timer thread. In a simulation, makes the call at once.
    pub fn call_later(&self, call: impl FnOnce() + Send + 'static) {
        if self.is_simulated() { call() } else { self.call_hooks_later(move |_| call()) }
    }

    /// Calls hooks, which may be slow or panic, on a thread that may block. If the operating system
    /// refuses that thread, one of tokio's threads makes this call and the calls that wait for a thread.
    pub(super) fn call_hooks_later(&self, call: impl FnOnce(&dyn Hooks) + Send + 'static) {
        let executor = self.clone();
        let call = move || {
            let (_entered, hooks, mut call) = (executor.tokio().enter(), executor.hooks_dyn(), Some(call));
            hooks.on_foreign_thread(&executor, &mut || call.take().into_iter().for_each(|call| call(hooks)));
        };
        let refused = self.core().hook_calls.add(Box::new(call));
        if !refused.is_empty() {
            let make_calls = || refused.into_iter().for_each(|call| drop(unwind::catch(call)));
            spawn_boxed(self.tokio(), async { make_calls() });
        }
    }

    pub(super) fn core(&self) -> &Core {
        self.local.core.core()
    }

    #[inline]
    pub(super) fn common(&self) -> &Common {
        &self.local.common
    }

    /// Returns whether both are handles on one executor.
    #[inline]
    #[must_use]
    pub fn is_same(&self, other: &Executor) -> bool {
        Arc::ptr_eq(&self.local.common, &other.local.common)
    }

    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.core().scheduler {
            Scheduler::Threads(pool) => Some(pool),
            Scheduler::Simulated(_) => None,
        }
    }

    pub(crate) fn simulated_queue(&self) -> Option<&SeededQueue> {
        match &self.core().scheduler {
            Scheduler::Threads(_) => None,
            Scheduler::Simulated(queue) => Some(queue),
        }
    }

    /// Returns whether the calling thread is a worker of this executor.
    #[inline]
    pub fn is_own_worker(&self) -> bool {
        schedule::is_worker_of(self.common().tasks.scheduler())
    }
}

/// Returns whether this thread is ending and tokio's thread-locals are gone. Then tokio panics when a runtime is built or entered.
pub(super) fn tokio_has_no_context() -> bool {
    tokio::runtime::Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

/// Returns whether the calling thread is in a tokio runtime whose clock is paused: by `start_paused` or by `tokio::time::pause`.
///
/// tokio has no function for that. A clock that was never paused shows a time between two readings of the clock of the
/// system. A clock that was paused and runs again is late by the length of the pause, so only its progress shows that it runs.
pub fn is_tokio_clock_paused() -> bool {
    let Ok(tokio) = tokio::runtime::Handle::try_current() else { return false };
    // Only a runtime with one thread can pause its clock.
    if tokio.runtime_flavor() != tokio::runtime::RuntimeFlavor::CurrentThread {
        return false;
    }
    let before = real_now();
    let shown = Instant::now();
    let after = real_now();
    if (before..=after).contains(&shown) {
        return false;
    }
    while real_now() <= after {
        std::hint::spin_loop();
    }
    Instant::now() == shown
}

/// Spawns a task of tokio. Its future is boxed, so that tokio's code for a task is compiled once, and not for each future.
pub(super) fn spawn_boxed(tokio: &tokio::runtime::Handle, future: impl Future<Output = ()> + Send + 'static) {
    let boxed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    tokio.spawn(boxed);
}

/// Reads the clock of the system. `Instant::now` of tokio would be virtual on the thread of a simulation.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the executor")]
pub(super) fn real_now() -> Instant {
    Instant::from_std(std::time::Instant::now())
}

/// Describes the thread of one worker. `now` is the time on the coarse clock.
fn describe(index: usize, state: WorkerState, remote: &Remote, now: u64) -> ThreadStatistics {
    let progress = &remote.progress;
    let long = progress.seen_twice();
    let current = progress.current().map(|(_, key)| key);
    ThreadStatistics {
        index,
        state,
        polled: long.map(|(key, _)| key).or(current),
        in_poll: long.map(|(_, since)| Duration::from_millis(now.saturating_sub(since))),
        queued: remote.n_queued(),
        busy: Duration::from_micros(progress.busy_us.load(Ordering::Relaxed)),
        polls: progress.finished(),
        steals: progress.steals.load(Ordering::Relaxed),
        parks: progress.parks.load(Ordering::Relaxed),
        kernel_id: remote.os_thread.lock().and_then(OsThread::kernel_id),
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("workers", &self.workers())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
