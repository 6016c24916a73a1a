//! The threads and what they share.

use std::cell::RefCell;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::idle::Idle;
use crate::sync::{AtomicBool, Mutex, Ordering, Parker};
use crate::sysmon::{self, Watch};
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, SchedulerRef};
use crate::threads::running::RunningThreads;
use crate::threads::{StandIn, Threads};
use crate::worker;
use crate::worker::queues::Queues;
use crate::{Executor, Options};

pub(crate) struct Pool {
    pub(crate) options: Options,
    pub(crate) scheduler: SchedulerRef,
    pub(crate) queues: Queues,
    pub(crate) idle: Idle,
    pub(crate) watch: Watch,
    stopping: AtomicBool,
    running: RunningThreads,
    /// Who waits in `stop` for the last of them.
    stoppers: Mutex<Vec<std::thread::Thread>>,
    watch_parker: Mutex<Option<Parker>>,
    executor: OnceLock<std::sync::Weak<crate::executor::Core>>,
}

impl Pool {
    pub(crate) fn new(options: Options, scheduler: SchedulerRef) -> Pool {
        let parker = Parker::new();
        Pool {
            options,
            scheduler,
            queues: Queues::new(Threads::new(options.workers, options.max_threads), options.max_threads),
            idle: Idle::new(parker.unparker().clone()),
            watch: Watch::default(),
            stopping: AtomicBool::new(false),
            running: RunningThreads::new(),
            stoppers: Mutex::new(Vec::new()),
            watch_parker: Mutex::new(Some(parker)),
            executor: OnceLock::new(),
        }
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.queues.threads
    }

    pub(crate) fn start_threads(&self, executor: &Executor) -> io::Result<()> {
        let _ = self.executor.set(std::sync::Arc::downgrade(executor.core()));
        for _ in 0..self.options.workers {
            self.follow(self.threads().call())?;
        }
        let Some(parker) = self.watch_parker.lock().take() else { return Ok(()) };
        let executor = executor.with_local_count();
        spawn_thread("cordial-watch".to_owned(), move || sysmon::watch(&executor, &parker))
    }

    /// Brings a thread to work, as the threads says. `false` if there is none to be had.
    pub(crate) fn follow(&self, stand_in: StandIn) -> io::Result<bool> {
        match stand_in {
            StandIn::NoneLeft => Ok(false),
            StandIn::Unpark(seat) => {
                self.queues.seat(seat).unparker.unpark();
                Ok(true)
            }
            StandIn::Spawn(seat) => {
                let Some(core) = self.executor.get().and_then(std::sync::Weak::upgrade) else { return Ok(false) };
                self.queues.open(seat);
                self.running.enter();
                let executor = Executor::of(core.clone());
                let started = spawn_thread(format!("cordial-worker-{seat}"), move || worker::work(seat, executor));
                if started.is_err() {
                    // Whoever needed it sees that none came, unless one rests by now.
                    if let Some(StandIn::Unpark(resting)) = self.threads().release(seat) {
                        self.queues.seat(resting).unparker.unpark();
                    }
                    if self.leave() {
                        let executor = Executor::of(core);
                        executor.hooks_dyn().on_foreign_thread(&executor, &mut || self.run_leftovers());
                    }
                }
                // It is up, and the watch may sleep.
                self.idle.wake_sysmon();
                started.map(|()| true)
            }
        }
    }

    pub(crate) fn inject(&self, ready: Runnable) {
        self.queues.inject(ready);
        self.idle.notify();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether all threads have ended, so that what is pushed now has to be run by whoever pushed it.
    pub(crate) fn is_over(&self) -> bool {
        // While the system has no threads to give there may be none for a moment, and that is not the end.
        self.is_stopping() && self.running.is_over()
    }

    /// Whether all threads have ended, and left something.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.is_over() && !self.queues.is_empty()
    }

    /// Lets the threads end when nothing is ready. Returns how many have not ended after `limit`.
    pub(crate) fn stop(&self, limit: Duration) -> usize {
        self.stoppers.lock().push(std::thread::current());
        self.stopping.store(true, Ordering::SeqCst);
        // The fence in it pairs with the one in `Idle::sleep` too: a seat that is not seen below sees the flag.
        self.idle.wake_sysmon();
        self.queues.seats().for_each(|(_, seat)| seat.unparker.unpark());
        // A worker that stops its own pool cannot wait for itself.
        let own = usize::from(schedule::is_worker_of(self.scheduler));
        #[expect(clippy::disallowed_methods, reason = "threads end in real time")]
        let started = std::time::Instant::now();
        loop {
            let left = self.running.n_running().saturating_sub(own);
            let waited = started.elapsed();
            if left == 0 || waited >= limit {
                return left;
            }
            std::thread::park_timeout(limit - waited);
        }
    }

    /// A thread ends. `true` if it has to run what is left over. Where the pool goes on, that waits for the next thread.
    #[must_use = "what is left over is nobody's"]
    pub(crate) fn leave(&self) -> bool {
        // The fence in it pairs with the one in `stop`: this thread sees the flag, or `stop` that nobody is left.
        let has_leftovers = self.running.leave() && self.is_stopping();
        self.stoppers.lock().iter().for_each(std::thread::Thread::unpark);
        has_leftovers
    }

    /// With no thread left, whoever brings a task runs it. It was told to end, so it only cleans up.
    ///
    /// Such a task may wake the next one, and wait for it in the same poll, so that runs in runs are allowed; but a long
    /// row of them must not use up the stack.
    pub(crate) fn run_leftovers(&self) {
        let own = std::ptr::from_ref(self).addr();
        let is_deep = RUNS.try_with(|runs| {
            let mut runs = runs.borrow_mut();
            let is_deep = runs.iter().filter(|run| **run == own).count() >= DEEPEST;
            if !is_deep {
                runs.push(own);
            }
            is_deep
        });
        // The run around this one goes on until nothing is left.
        if is_deep == Ok(true) {
            return;
        }
        while let Some(ready) = self.queues.take_any() {
            schedule::poll_caught(ready);
        }
        let _ = RUNS.try_with(|runs| runs.borrow_mut().pop());
    }
}

/// How many runs of one pool's leftovers there are inside of each other on a thread.
const DEEPEST: usize = 8;

// The pools, by address, whose leftovers this thread runs, the innermost last.
thread_local!(static RUNS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });

fn spawn_thread(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name).spawn(body).map(drop)
}
