//! How an executor is made.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::executor::error::ExecutorError;
use crate::executor::handle::{Common, Core, Executor, Scheduler, real_now, spawn_boxed, tokio_has_no_context};
use crate::executor::hooks::Hooks;
use crate::executor::io_threads::IoThread;
use crate::executor::options::Options;
use crate::executor::{pool_threads, timer_thread};
use crate::io_watch::IoWatch;
use crate::simulation::queue::SeededQueue;
use crate::sync::{AtomicUsize, Mutex, Ordering, Parker};
use crate::task::allocator::TaskAllocator;
use crate::task::schedule::{self, HeaderReuse};
use crate::thread_limit::{self, FilledRoom, ThreadsRefused};
use crate::tick_clock::TickClock;
use crate::timeout::{Instant, Timeouts};
use crate::{priority, reservation, spin_lock, unwind};

/// How many files tokio opens for its I/O driver and for signals.
const FILES_OF_TOKIO: usize = 6;

impl Executor {
    /// Starts worker threads, a tokio runtime with as many threads of its own, sysmon and the timer thread.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread, a file or an I/O driver. Nothing is left of the executor
    /// then, except for some memory and files if tokio is refused a thread.
    ///
    /// # Panics
    ///
    /// If `options.workers` is zero.
    pub fn start(options: Options, hooks: Arc<dyn Hooks>) -> Result<Executor, ExecutorError> {
        if !tokio_has_no_context() {
            return Executor::start_here(options, hooks);
        }
        // tokio needs thread-locals that are gone here. A new thread has them.
        let start = move || Executor::start_here(options, hooks);
        let thread = std::thread::Builder::new().name("cordial-start".to_owned()).spawn(start);
        let thread = thread.map_err(|error| {
            let limit = thread_limit::reached_limit(&error);
            ThreadsRefused { needed: 1, granted: 0, limit, error }
        })?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }

    fn start_here(options: Options, hooks: Arc<dyn Hooks>) -> Result<Executor, ExecutorError> {
        // In a forked process, the lock may stay locked forever, so after a second this start continues without it. If another start then
        // takes threads that this one has reserved, and the system grants few threads, this start fails.
        let _starting = reservation::STARTING.lock_for_a_second();
        // The threads of the pool and of tokio, sysmon, and the timer thread.
        let n_threads = options.workers.saturating_mul(2).saturating_add(2);
        let filled = thread_limit::fill_room_for_heap(n_threads);
        if options.check_threads {
            reservation::check_threads(n_threads)?;
        }
        reservation::check_files(FILES_OF_TOKIO)?;
        spin_lock::notice_forks();
        let tasks = TaskAllocator::new(HeaderReuse::Eager);
        let (sysmon, timer) = (Parker::new(), Parker::new());
        let core = Arc::new_cyclic(|core: &Weak<Core>| {
            tasks.scheduler().connect(core.clone());
            let pool = pool_threads::new_pool(&options, tasks.scheduler(), &sysmon, core);
            let timeouts = Timeouts::new(options.workers, timer.unparker().clone());
            Core {
                common: Common::new(tasks, timeouts, Some(forkguard::new())),
                scheduler: Scheduler::Threads(pool),
                dropped_timers: Arc::default(),
                hooks,
                hook_calls: Arc::default(),
                tick_clock: TickClock::start(),
                started: real_now(),
                tokio: OnceLock::new(),
                tokio_runtime: Mutex::new(None),
                _filled: filled,
            }
        });
        let io_watch = Arc::new(IoWatch::new(timer.unparker().clone()));
        let runtime = build_tokio(options.workers, &core, io_watch.clone()).map_err(|error| match error {
            TokioError::System(error) => ExecutorError::System(error),
            TokioError::Thread { granted, error } => {
                let limit = thread_limit::reached_limit(&error);
                ExecutorError::Threads(ThreadsRefused { needed: n_threads, granted, limit, error })
            }
        })?;
        core.tokio.set(runtime.handle().clone()).expect("the executor has one tokio runtime");
        spawn_boxed(runtime.handle(), core.dropped_timers.clone().run());
        *core.tokio_runtime.lock() = Some(runtime);
        let executor = Executor::of(core);
        let pool = executor.pool().expect("it was made with a pool");
        let timer_started = timer_thread::start(&executor, io_watch, timer);
        let has_timer = timer_started.is_ok();
        if let Err(error) = timer_started.and_then(|()| pool_threads::start(&executor, pool, &options, sysmon)) {
            let granted = options.workers + usize::from(has_timer) + pool.threads().counts().active;
            let limit = thread_limit::reached_limit(&error);
            executor.close(Duration::MAX);
            return Err(ThreadsRefused { needed: n_threads, granted, limit, error }.into());
        }
        Ok(executor)
    }

    /// Makes the executor of a simulation, and the tokio runtime that drives it.
    ///
    /// # Errors
    ///
    /// If tokio cannot build its runtime.
    pub(crate) fn simulated(
        queue: SeededQueue,
        hooks: Arc<dyn Hooks>,
    ) -> io::Result<(Executor, tokio::runtime::Runtime)> {
        // The runtime is made first, because the executor uses its clock.
        let later: Arc<OnceLock<Weak<Core>>> = Arc::default();
        let core = later.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            // tokio starts threads for `spawn_blocking` only; everything else runs on the thread that drives the runtime.
            .on_thread_start(move || drop(core.get().and_then(thread_started)))
            .build()?;
        let started = {
            let _entered = runtime.enter();
            Instant::now()
        };
        let tasks = TaskAllocator::new(HeaderReuse::Exact);
        let core = Arc::new_cyclic(|core: &Weak<Core>| {
            tasks.scheduler().connect(core.clone());
            Core {
                common: Common::new(tasks, Timeouts::simulated(), None),
                scheduler: Scheduler::Simulated(queue),
                dropped_timers: Arc::default(),
                hooks,
                hook_calls: Arc::default(),
                tick_clock: TickClock::start(),
                started,
                tokio: OnceLock::from(runtime.handle().clone()),
                tokio_runtime: Mutex::new(None),
                _filled: FilledRoom::default(),
            }
        });
        later.set(Arc::downgrade(&core)).expect("set once");
        spawn_boxed(runtime.handle(), core.common.timeouts.clone().sweep_simulated());
        Ok((Executor::of(core), runtime))
    }
}

/// Calls the hook of a thread that starts. `None` if the executor is gone by now.
fn thread_started(core: &Weak<Core>) -> Option<Executor> {
    let executor = Executor::of(core.upgrade()?);
    executor.hooks_dyn().thread_started(&executor);
    Some(executor)
}

/// Whether tokio has got all of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Done,
    Failed,
}

/// Why tokio was not built.
enum TokioError {
    System(io::Error),
    /// The system started this many threads, and refused the next one.
    Thread {
        granted: usize,
        error: io::Error,
    },
}

/// Builds the tokio runtime beside the workers.
///
/// The system may refuse a thread that it has granted to [`reservation`] a moment before. Then tokio
/// panics, and its destructors wait for the threads that did start. Therefore tokio is built inside
/// of async code, where its destructors do not wait. Each thread of tokio first waits for
/// the end of the build, and ends if the build has failed. In this rare case some memory and the
/// files of the I/O driver stay allocated: tokio's queue of threads to start refers to itself.
///
/// The reservation ends before tokio starts, so other programs may then take threads. tokio is refused
/// a thread only if they take more threads than the executor starts after tokio. If they take fewer,
/// the executor is refused a thread, and nothing stays allocated. The reserved threads are not given
/// back one by one, each just before the executor starts a thread in its place: if other programs
/// took a single thread, tokio, which starts first, would be refused one.
fn build_tokio(
    threads: usize,
    core: &Arc<Core>,
    io_watch: Arc<IoWatch>,
) -> Result<tokio::runtime::Runtime, TokioError> {
    let core = Arc::downgrade(core);
    let build: Arc<OnceLock<Build>> = Arc::default();
    let n_started: Arc<AtomicUsize> = Arc::default();
    let (outcome, n_starting) = (build.clone(), n_started.clone());
    // Where the address space is limited, the threads start one after the other, for the reason that `thread::spawn` gives.
    let is_limited = thread_limit::is_address_space_limited();
    let (is_built, n_running, n_named) = (build.clone(), n_started.clone(), AtomicUsize::new(0));
    let name_of_next = move || {
        if is_limited && is_built.get().is_none() {
            wait_for_threads(&n_running, n_named.fetch_add(1, Ordering::Relaxed));
        }
        "cordial-io".to_owned()
    };
    let on_thread_start = move || {
        n_starting.fetch_add(1, Ordering::Relaxed);
        if *outcome.wait() == Build::Failed {
            unwind::end_thread();
        }
        if let Some(executor) = thread_started(&core) {
            schedule::enter(Rc::new(IoThread { executor }));
        }
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(threads)
        .thread_name_fn(name_of_next)
        .enable_all()
        .on_thread_start(on_thread_start)
        .on_thread_park(disable_preemption_once)
        .on_thread_unpark(move || io_watch.thread_woke_up());
    // The runtime is built on another thread, since the calling thread may be in async code already.
    let built = reservation::on_own_thread(|| {
        let async_code = tokio::runtime::Builder::new_current_thread().build().map_err(TokioError::System)?;
        let built = async_code.block_on(async { unwind::catch(|| builder.build()) });
        // tokio panics where a thread is refused.
        let refused = |message| {
            let (granted, error) = (n_started.load(Ordering::Relaxed), io::Error::other(message));
            TokioError::Thread { granted, error }
        };
        built.map_err(refused)?.map_err(TokioError::System)
    });
    let built = built.map_err(|error| TokioError::Thread { granted: 0, error }).and_then(|built| built);
    if is_limited && built.is_ok() {
        wait_for_threads(&n_started, threads);
    }
    build.set(if built.is_ok() { Build::Done } else { Build::Failed }).expect("set once");
    built
}

/// Waits until this many threads of tokio run.
fn wait_for_threads(n_started: &AtomicUsize, n: usize) {
    while n_started.load(Ordering::Relaxed) < n {
        std::thread::sleep(Duration::from_micros(20));
    }
}

/// Called by tokio's worker threads whenever they park. tokio's threads for blocking calls do not call
/// this, so they keep their policy.
fn disable_preemption_once() {
    thread_local!(static IS_DISABLED: Cell<bool> = const { Cell::new(false) });
    if !IS_DISABLED.replace(true) {
        priority::disable_wakeup_preemption();
    }
}
