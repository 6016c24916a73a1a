//! A worker for loom models without tasks: it sleeps until it is replaced or its pool stops.

use crate::idle::{Idle, SleepResult};
use crate::pool::Pool;
use crate::sync::{Ordering, Parker, Unparker};
use crate::worker::run_loop::{self, WorkerOps};

/// The operations of such a worker, for the shipped loop ([`run_loop::run`]).
pub(crate) struct TasklessWorker<'a> {
    pub(crate) index: usize,
    pub(crate) pool: &'a Pool,
    pub(crate) parker: &'a Parker,
    /// Called after each sleep.
    pub(crate) on_slept: &'a dyn Fn(&SleepResult<Option<()>>),
}

impl WorkerOps for TasklessWorker<'_> {
    type Task = ();

    fn is_replaced(&self) -> bool {
        self.pool.queues.remote(self.index).is_replaced.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.pool.is_stopping()
    }

    fn next_task(&self) -> Option<()> {
        None
    }

    fn search(&self) -> Option<()> {
        None
    }

    fn recheck(&self) -> Option<()> {
        None
    }

    fn poll(&self, (): ()) {
        panic!("there is no task");
    }

    fn has_injected(&self) -> bool {
        false
    }

    fn has_queued(&self) -> bool {
        false
    }

    fn idle(&self) -> &Idle {
        &self.pool.idle
    }

    fn index(&self) -> usize {
        self.index
    }

    fn unparker(&self) -> &Unparker {
        &self.pool.queues.remote(self.index).unparker
    }

    fn park(&self) {
        self.parker.park();
    }

    fn sleep(&self) -> SleepResult<Option<()>> {
        let slept = run_loop::sleep(self);
        (self.on_slept)(&slept);
        slept
    }
}
