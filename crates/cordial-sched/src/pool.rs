//! The worker threads and what they share.

use std::io;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::Parker;

use crate::idle::{Idle, Notified};
use crate::queue::{Queues, Ready};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::unwind;
use crate::watch::{self, Progress, Watch};
use crate::worker::{self, Seat};
use crate::{Executor, Options};

pub(crate) struct Pool {
    pub(crate) queues: Queues,
    pub(crate) idle: Idle,
    pub(crate) progress: Box<[CachePadded<Progress>]>,
    pub(crate) watch: Watch,
    stopping: AtomicBool,
    n_running: AtomicUsize,
    /// Where `stop` waits for the last worker.
    last_one_out: Mutex<Vec<std::thread::Thread>>,
}

impl Pool {
    /// What is shared, and a seat for each worker thread.
    pub(crate) fn new(options: Options) -> (Pool, Vec<Seat>) {
        let (queues, own) = Queues::new(options.workers);
        let parkers: Vec<Parker> = own.iter().map(|_| Parker::new()).collect();
        let pool = Pool {
            queues,
            idle: Idle::new(&parkers),
            progress: own.iter().map(|_| CachePadded::default()).collect(),
            watch: Watch::new(options.stall_after),
            stopping: AtomicBool::new(false),
            n_running: AtomicUsize::new(0),
            last_one_out: Mutex::new(Vec::new()),
        };
        let seats =
            own.into_iter().zip(parkers).enumerate().map(|(index, (queue, parker))| Seat { index, queue, parker });
        (pool, seats.collect())
    }

    pub(crate) fn start_threads(&self, seats: Vec<Seat>, executor: &Executor) -> io::Result<()> {
        for seat in seats {
            let executor = executor.rehomed();
            self.n_running.fetch_add(1, Ordering::SeqCst);
            spawn_thread(format!("cordial-worker-{}", seat.index), move || worker::work(seat, executor))
                .inspect_err(|_| self.leave())?;
        }
        let executor = executor.rehomed();
        spawn_thread("cordial-watch".to_owned(), move || watch::watch(&executor))
    }

    pub(crate) fn workers(&self) -> usize {
        self.progress.len()
    }

    pub(crate) fn inject(&self, ready: Ready) {
        self.queues.inject(ready);
        self.notify();
    }

    /// Whether all workers have ended, so that what is pushed now has to be run by whoever pushed it.
    pub(crate) fn is_over(&self) -> bool {
        self.n_running.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn notify(&self) {
        if self.idle.notify() == Notified::First {
            self.watch.rouse();
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Lets the workers end when nothing is ready. Returns how many have not ended after `limit`.
    pub(crate) fn stop(&self, limit: Duration) -> usize {
        self.last_one_out.lock().push(std::thread::current());
        self.stopping.store(true, Ordering::SeqCst);
        self.idle.wake_all();
        self.watch.rouse();
        // A worker that stops its own pool cannot wait for itself.
        let own = usize::from(worker::is_worker_of(self));
        #[expect(clippy::disallowed_methods, reason = "threads end in real time")]
        let started = std::time::Instant::now();
        loop {
            let left = self.n_running.load(Ordering::SeqCst).saturating_sub(own);
            let waited = started.elapsed();
            if left == 0 || waited >= limit {
                return left;
            }
            std::thread::park_timeout(limit - waited);
        }
    }

    /// A worker ends.
    pub(crate) fn leave(&self) {
        if self.n_running.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Pushed between this worker's last look and now; whoever pushes from now on sees that all are gone.
            self.run_leftovers();
        }
        self.last_one_out.lock().iter().for_each(std::thread::Thread::unpark);
    }

    /// With no worker left, whoever brings a task runs it. It was told to end, so it only cleans up.
    pub(crate) fn run_leftovers(&self) {
        while let Some(ready) = self.queues.take_any() {
            unwind::poll_once(ready);
        }
    }
}

fn spawn_thread(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name).spawn(body).map(drop)
}
