//! The handle on an executor: prepare and start tasks, ask the time, close.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::pool::{Counters, Pool};
use crate::simulation::SeededQueue;
use crate::sync::{AtomicBool, Mutex, Ordering, Parker};
use crate::task::runnable::{Delivery, Runnable};
use crate::task::schedule::{self, LocalSchedule, Placement, Schedule, SchedulerRef};
use crate::timeout::Timeouts;
pub(crate) mod hooks;
pub(crate) mod options;
mod pool_threads;
pub(crate) mod statistics;

use crate::{Hooks, Instant, JoinHandle, Key, Options, Statistics, TaskRef, Timer, free_list, priority, unwind};

/// A handle on an executor. Cheap to clone; each thread of the executor has a count of its own.
#[derive(Clone)]
pub struct Executor {
    local: Arc<LocalCount>,
}

/// What clones of a handle count. One for every thread that starts tasks, so that threads do not fight for one count.
struct LocalCount {
    core: Arc<Core>,
}

/// The executor itself.
pub(crate) struct Core {
    pub(crate) scheduler: Scheduler,
    pub(crate) scheduler_ref: SchedulerRef,
    hooks: Arc<dyn Hooks>,
    closed: AtomicBool,
    started: Instant,
    pub(crate) limits: Arc<Timeouts>,
    /// Set before anybody can ask for it.
    tokio: OnceLock<tokio::runtime::Handle>,
    /// Owned here so that it can be shut down; `None` in a simulation, and after that.
    tokio_threads: Mutex<Option<tokio::runtime::Runtime>>,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.scheduler_ref.disconnect();
    }
}

/// Who runs what is ready.
pub(crate) enum Scheduler {
    Threads(Arc<Pool>),
    Simulated(SeededQueue),
}

/// The place of a task that is not made yet.
#[must_use = "a task that is not made never runs"]
pub struct Reserved(Runnable);

impl Reserved {
    /// The task that will be made here.
    pub fn task(&self) -> TaskRef {
        self.0.header().task_ref()
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").finish_non_exhaustive()
    }
}

/// A task that was prepared and has not been started.
#[must_use = "a task that is not started never runs"]
pub struct Prepared<T> {
    task: Runnable,
    take_output: fn(&mut Runnable) -> Option<T>,
}

/// The same for a task whose output nobody takes.
#[must_use = "a task that is not started never runs"]
pub struct PreparedDetached(Runnable);

impl<T> Prepared<T> {
    /// Lets the task run on the executor that prepared it.
    pub fn start(self, executor: &Executor) -> JoinHandle<T> {
        let Prepared { task, take_output } = self;
        let header = task.header();
        schedule::queue(task, Placement::Next);
        JoinHandle::new(header, executor.clone(), take_output)
    }
}

impl PreparedDetached {
    /// Lets the task run.
    pub fn start(self) {
        schedule::queue(self.0, Placement::Next);
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("key", &self.task.header().key()).finish_non_exhaustive()
    }
}

impl fmt::Debug for PreparedDetached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedDetached").field("key", &self.0.header().key()).finish()
    }
}

impl Executor {
    /// Starts worker threads, and a tokio runtime with as many threads of its own.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or an I/O driver.
    pub fn start(options: Options, hooks: Arc<dyn Hooks>) -> io::Result<Executor> {
        let scheduler_ref = SchedulerRef::new(false);
        let sysmon = Parker::new();
        let core = Arc::new_cyclic(|core| Core {
            limits: Timeouts::new(options.workers),
            scheduler: Scheduler::Threads(pool_threads::new_pool(&options, scheduler_ref, &sysmon, core)),
            scheduler_ref,
            hooks,
            closed: AtomicBool::new(false),
            started: real_now(),
            tokio: OnceLock::new(),
            tokio_threads: Mutex::new(None),
        });
        connect(&core);
        let of_threads = Arc::downgrade(&core);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(options.workers).thread_name("cordial-io").enable_all().on_thread_start(move || {
            if let Some(core) = of_threads.upgrade() {
                let executor = Executor::of(core);
                executor.hooks_dyn().thread_started(&executor);
                schedule::enter(Rc::new(IoThread { executor }));
            }
        });
        builder.on_thread_park(wait_for_turn_from_now_on);
        // tokio panics where the system has some of the threads that it needs, but not all.
        let built = unwind::catch(|| builder.build()).unwrap_or_else(|message| Err(io::Error::other(message)));
        let tokio_threads = built?;
        let _ = core.tokio.set(tokio_threads.handle().clone());
        start_sweeper(tokio_threads.handle(), &core.limits);
        *core.tokio_threads.lock() = Some(tokio_threads);
        let executor = Executor::of(core);
        let started = executor.pool().map_or(Ok(()), |pool| pool_threads::start(&executor, pool, &options, sysmon));
        if let Err(refused) = started {
            executor.close(Duration::MAX);
            return Err(refused);
        }
        Ok(executor)
    }

    pub(crate) fn simulated(draw: SeededQueue, hooks: Arc<dyn Hooks>, tokio: tokio::runtime::Handle) -> Executor {
        let limits = Timeouts::new(1);
        start_sweeper(&tokio, &limits);
        let started = {
            let _entered = tokio.enter();
            Instant::now()
        };
        let core = Arc::new(Core {
            limits,
            scheduler: Scheduler::Simulated(draw),
            scheduler_ref: SchedulerRef::new(true),
            hooks,
            closed: AtomicBool::new(false),
            started,
            tokio: OnceLock::from(tokio),
            tokio_threads: Mutex::new(None),
        });
        connect(&core);
        Executor::of(core)
    }

    pub(crate) fn of(core: Arc<Core>) -> Executor {
        Executor { local: Arc::new(LocalCount { core }) }
    }

    /// A handle with a count of its own, for one more thread that starts tasks.
    #[must_use]
    pub fn with_local_count(&self) -> Executor {
        Executor::of(self.local.core.clone())
    }

    /// The layer above, if it is an `L`.
    pub fn hooks<L: Hooks>(&self) -> Option<&L> {
        let hooks: &dyn Any = &*self.local.core.hooks;
        hooks.downcast_ref()
    }

    /// The same, to keep.
    pub fn shared_hooks<L: Hooks>(&self) -> Option<Arc<L>> {
        let hooks: Arc<dyn Any + Send + Sync> = self.local.core.hooks.clone();
        hooks.downcast().ok()
    }

    pub(crate) fn hooks_dyn(&self) -> &dyn Hooks {
        &*self.local.core.hooks
    }

    /// A place for a task with a key of the layer's table, to be made by [`prepare`](Executor::prepare) or
    /// [`prepare_detached`](Executor::prepare_detached).
    #[inline]
    pub fn reserve(&self, key: Key) -> Reserved {
        let place = free_list::take(self.is_simulated());
        place.header().reset(key);
        Reserved(place)
    }

    /// Makes a task of a future. Nothing runs before [`Prepared::start`].
    ///
    /// The future must catch its own panics and those of its destructors, and its output must not panic when dropped: such
    /// a panic is lost, and whoever joins the task waits for ever.
    // A future that is made by the caller is large, and would be carried around.
    #[inline(always)]
    pub fn prepare<F>(&self, reserve: Reserved, future: F) -> Prepared<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Reserved(mut task) = reserve;
        task.fill(self.local.core.scheduler_ref, future, Delivery::Join);
        Prepared { task, take_output: Runnable::take_output }
    }

    /// As [`prepare`](Executor::prepare), for an output that nobody takes.
    // As `prepare`.
    #[inline(always)]
    pub fn prepare_detached<F>(&self, reserve: Reserved, future: F) -> PreparedDetached
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Reserved(mut task) = reserve;
        task.fill(self.local.core.scheduler_ref, future, Delivery::Discard);
        PreparedDetached(task)
    }

    /// A limit: a future that is ready after `after`, or `None` if that is later than any clock will see.
    pub fn timer(&self, after: Duration) -> Option<Timer> {
        let deadline = self.now().checked_add(after)?;
        Some(Timer::new(self.clone(), deadline))
    }

    pub(crate) fn limits(&self) -> &Arc<Timeouts> {
        &self.local.core.limits
    }

    /// Milliseconds since the executor was started. On a worker it may be late by a look or two of the watch; it is for
    /// ages, not for deadlines.
    pub fn coarse_now(&self) -> u64 {
        match &self.local.core.scheduler {
            // The watch is up while a worker is, but nobody else can tell.
            Scheduler::Threads(pool) if schedule::is_worker_of(self.local.core.scheduler_ref) => pool.idle.clock.read(),
            Scheduler::Threads(pool) => pool.idle.clock.update(),
            Scheduler::Simulated(_) => {
                let since_start = self.now().saturating_duration_since(self.local.core.started);
                u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// The polls that last now and which the watch has seen twice, so that they have lasted for a millisecond or more: whose,
    /// and for how long. The times may be too short by the millisecond or two before the watch record_search.
    pub fn long_polls(&self) -> Vec<(Key, Duration)> {
        let Some(pool) = self.pool() else { return Vec::new() };
        let now = pool.idle.clock.update();
        let lasted = |since: u64| Duration::from_millis(now.saturating_sub(since));
        let long = pool.queues.remotes().filter_map(|(_, remote)| remote.progress.long_poll());
        long.map(|(key, since)| (key, lasted(since))).collect()
    }

    /// The time on this executor's clock.
    pub fn now(&self) -> Instant {
        if self.is_simulated() {
            let _entered = self.tokio().enter();
            return Instant::now();
        }
        real_now()
    }

    /// The tokio runtime beside this executor.
    ///
    /// # Panics
    ///
    /// While the executor is being built, when nobody has it yet.
    pub fn tokio(&self) -> &tokio::runtime::Handle {
        self.local.core.tokio.get().expect("set before the executor is handed out")
    }

    /// Whether this is the executor of a [`Simulation`](crate::Simulation).
    pub fn is_simulated(&self) -> bool {
        matches!(self.local.core.scheduler, Scheduler::Simulated(_))
    }

    /// How many worker threads there are; `None` in a simulation.
    pub fn workers(&self) -> Option<usize> {
        self.pool().map(|pool| pool.threads().workers())
    }

    /// A random number. In a simulation it is drawn from the seed.
    pub fn random(&self) -> u64 {
        match &self.local.core.scheduler {
            Scheduler::Threads(_) => fastrand::u64(..),
            Scheduler::Simulated(draw) => draw.random(),
        }
    }

    /// What it does at this moment, and what it has done so far.
    pub fn statistics(&self) -> Statistics {
        match &self.local.core.scheduler {
            Scheduler::Threads(pool) => statistics_of(pool.counters()),
            Scheduler::Simulated(draw) => draw.statistics(),
        }
    }

    /// Whether [`close`](Executor::close) or [`refuse`](Executor::refuse) was called.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.local.core.closed.load(Ordering::SeqCst)
    }

    /// Marks the executor as closed, so that the layer above refuses new tasks. What runs goes on.
    pub fn refuse(&self) {
        self.local.core.closed.store(true, Ordering::SeqCst);
    }

    /// Ends the threads once nothing is ready. Every task must have been told to end before.
    ///
    /// Returns how many worker threads are still stuck in a poll after `limit`; each ends when its poll returns. Tokio's
    /// threads end on their own time.
    pub fn close(&self, limit: Duration) -> usize {
        self.refuse();
        let stuck = self.pool().map_or(0, |pool| {
            // A worker that closes its own executor cannot wait for itself.
            let n_own = usize::from(schedule::is_worker_of(self.local.core.scheduler_ref));
            pool.stop(limit, n_own)
        });
        if let Some(pool) = self.pool().filter(|pool| pool.has_remaining_tasks()) {
            // There may have been no thread for a while.
            self.hooks_dyn().on_foreign_thread(self, &mut || pool.run_remaining_tasks());
        }
        // Timeouts that are armed still, because a poll is stuck, pass all the same.
        self.local.core.limits.leave_tokio();
        let tokio_threads = self.local.core.tokio_threads.lock().take();
        if let Some(runtime) = tokio_threads {
            // Waits for nothing, so it is allowed inside async code, where dropping a tokio runtime panics.
            runtime.shutdown_background();
        }
        stuck
    }

    /// Tells the layer above, on a thread that may block: what it does may be slow, or panic. Where the system has no thread
    /// to give, nobody is told.
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn Hooks) + Send + 'static) {
        let executor = self.clone();
        // Tokio panics then.
        let _ = unwind::catch(|| drop(self.tokio().spawn_blocking(move || what(executor.hooks_dyn()))));
    }

    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.local.core
    }

    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.local.core.scheduler {
            Scheduler::Threads(pool) => Some(pool),
            Scheduler::Simulated(_) => None,
        }
    }
}

/// Only the threads that drive tokio ever park, so those that block are left as they are.
fn wait_for_turn_from_now_on() {
    thread_local!(static WAITS: Cell<bool> = const { Cell::new(false) });
    if !WAITS.replace(true) {
        priority::disable_wakeup_preemption();
    }
}

/// tokio's own `now` would be virtual on the thread of a simulation.
#[expect(clippy::disallowed_methods, reason = "this is the runtime's clock")]
fn real_now() -> Instant {
    Instant::from_std(std::time::Instant::now())
}

fn start_sweeper(tokio: &tokio::runtime::Handle, limits: &Arc<Timeouts>) {
    tokio.spawn(limits.clone().sweep());
}

fn statistics_of(counters: Counters) -> Statistics {
    Statistics {
        workers: counters.threads.active,
        stand_ins: counters.threads.inactive(),
        deprioritized: counters.threads.deprioritized,
        injected: counters.injected,
        queued: counters.queued,
        polls: counters.polls,
        steals: counters.steals,
        parks: counters.parks,
        long_polls: counters.long_polls,
        busy_samples: counters.busy_samples,
    }
}

fn connect(core: &Arc<Core>) {
    let scheduler: std::sync::Weak<Core> = Arc::downgrade(core);
    core.scheduler_ref.connect(scheduler);
}

impl Schedule for Core {
    fn schedule(self: Arc<Core>, runnable: Runnable) {
        self.schedule_here(runnable);
    }
}

impl Core {
    fn schedule_here(self: &Arc<Core>, runnable: Runnable) {
        match &self.scheduler {
            Scheduler::Threads(pool) => {
                pool.inject(runnable);
                if pool.have_all_exited() {
                    let executor = Executor::of(self.clone());
                    executor.hooks_dyn().on_foreign_thread(&executor, &mut || pool.run_remaining_tasks());
                }
            }
            Scheduler::Simulated(draw) => draw.push(runnable),
        }
    }
}

/// A thread of tokio. Most of the tasks that it wakes belong to its executor, which it need not count for that.
struct IoThread {
    executor: Executor,
}

impl LocalSchedule for IoThread {
    fn push(&self, runnable: Runnable, _: Placement) -> Result<(), Runnable> {
        let core = self.executor.core();
        if runnable.scheduler() != Some(core.scheduler_ref) {
            return Err(runnable);
        }
        core.schedule_here(runnable);
        Ok(())
    }

    fn is_worker_of(&self, _: SchedulerRef) -> bool {
        false
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
