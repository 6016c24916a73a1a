//! Connects an executor with its pool and with sysmon, neither of which knows the executor, and starts their threads.

use std::hint::black_box;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::executor::handle::{Core, Executor};
use crate::executor::options::Options;
use crate::pool::{Callbacks, Pool};
use crate::reservation::STARTING;
use crate::sync::Parker;
use crate::sysmon::{self, SysmonHooks};
use crate::table::Key;
use crate::task::schedule::SchedulerRef;
use crate::thread_limit::{self, NewThread};
use crate::threads::Threads;
use crate::{thread, worker};

/// Makes the pool of an executor that is about to be made.
pub(super) fn new_pool(options: &Options, scheduler: &SchedulerRef, sysmon: &Parker, core: &Weak<Core>) -> Arc<Pool> {
    let (of_workers, scheduler, workers) = (core.clone(), scheduler.clone(), options.workers);
    let starting = Arc::<()>::default();
    let spawn_worker = move |index| {
        let starts = Arc::clone(&starting);
        // Without `starting` and `starts`, there is one reference for each other thread that is starting.
        let n_starting = Arc::strong_count(&starting) - 2;
        let is_stand_in = index >= workers;
        let _no_start = is_stand_in.then(|| STARTING.lock_for_a_second());
        let kind = if is_stand_in { NewThread::StandIn { n_starting } } else { NewThread::First };
        thread_limit::check_address_space(kind)?;
        let Some(core) = of_workers.upgrade() else { return Ok(false) };
        // Keeps the executor alive for as long as the worker runs.
        let (executor, scheduler) = (Executor::of(core), scheduler.clone());
        let run = move || {
            // glibc takes the heap of a thread at its first allocation. After that, the address space in use includes the
            // heap, so this thread no longer counts as starting.
            drop(black_box(Box::new(index)));
            drop(starts);
            let Some(pool) = executor.pool() else { return };
            let _entered = executor.tokio().enter();
            executor.hooks_dyn().thread_started(&executor);
            worker::run(pool, index, scheduler);
        };
        thread::start(format!("cordial-worker-{index}"), Box::new(run)).map(|()| true)
    };
    let of_foreign = core.clone();
    let on_foreign_thread = move |run: &mut dyn FnMut()| {
        if let Some(core) = of_foreign.upgrade() {
            let executor = Executor::of(core);
            executor.hooks_dyn().on_foreign_thread(&executor, run);
        }
    };
    let of_last = core.clone();
    let on_all_exited = move || {
        if let Some(core) = of_last.upgrade() {
            Executor::of(core).shut_down_tokio();
        }
    };
    let callbacks = Callbacks {
        spawn_worker: Box::new(spawn_worker),
        on_foreign_thread: Box::new(on_foreign_thread),
        on_all_exited: Box::new(on_all_exited),
    };
    let threads = Threads::new(options.workers, options.thread_limit());
    Arc::new(Pool::new(threads, sysmon.unparker().clone(), callbacks))
}

/// Starts the workers and sysmon.
pub(super) fn start(executor: &Executor, pool: &Arc<Pool>, options: &Options, sysmon: Parker) -> io::Result<()> {
    pool.start_workers()?;
    let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let deprioritizes_above = options.deprioritize_long_polls.then_some(n_processors);
    let settings = sysmon::Settings { stall_after: options.stall_after, deprioritizes_above };
    let executor = executor.with_local_count();
    let pool = pool.clone();
    thread_limit::check_address_space(NewThread::First)?;
    let run = move || sysmon::run(&pool, &executor, settings, &sysmon);
    thread::start("cordial-sysmon".to_owned(), Box::new(run))
}

impl SysmonHooks for Executor {
    fn sampled(&self, key: Key, time: Duration) {
        self.hooks_dyn().sampled(key, time);
    }

    fn long_poll(&self, key: Key, lasted: Duration) {
        self.call_hooks_later(move |hooks| hooks.long_poll(key, lasted));
    }

    fn threads_exhausted(&self, max_threads: usize) {
        self.call_hooks_later(move |hooks| hooks.threads_exhausted(max_threads));
    }

    fn threads_refused(&self, error: io::Error) {
        let limit = thread_limit::reached_limit(&error);
        self.call_hooks_later(move |hooks| hooks.threads_refused(&error, limit.as_ref()));
    }

    fn trim(&self, is_all_asleep: &dyn Fn() -> bool) -> Option<Duration> {
        self.common().timeouts.trim();
        self.core().dropped_timers.forget();
        self.common().tasks.trim(self.now().into_std(), is_all_asleep)
    }
}
