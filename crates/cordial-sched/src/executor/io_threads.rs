//! How tasks get to their executor from tokio's threads, and from threads that belong to no executor.

use std::sync::Arc;

use crate::executor::handle::{Core, Executor, Scheduler};
use crate::task::runnable::Runnable;
use crate::task::schedule::{LocalSchedule, Placement, Schedule, SchedulerRef};

impl Schedule for Core {
    fn schedule(self: Arc<Core>, task: Runnable) {
        self.inject(task, &|| Executor::of(self.clone()));
    }
}

impl Core {
    /// `executor` returns a handle on the executor of this core.
    fn inject(&self, task: Runnable, executor: &dyn Fn() -> Executor) {
        match &self.scheduler {
            Scheduler::Threads(pool) => {
                pool.inject(task);
                if pool.have_all_exited() {
                    let executor = executor();
                    executor.hooks_dyn().on_foreign_thread(&executor, &mut || pool.run_remaining_tasks());
                }
            }
            Scheduler::Simulated(queue) => queue.push(task),
        }
    }
}

/// Makes a thread of tokio serve an executor: waking a task of that executor, as the thread mostly does, then leaves the reference
/// count of the executor unchanged.
pub(super) struct IoThread {
    pub(super) executor: Executor,
}

impl LocalSchedule for IoThread {
    fn push(&self, task: Runnable, _: Placement) -> Result<(), Runnable> {
        let core = self.executor.core();
        if task.scheduler() != core.tasks.scheduler() {
            return Err(task);
        }
        core.inject(task, &|| self.executor.clone());
        Ok(())
    }

    fn is_worker_of(&self, _: &SchedulerRef) -> bool {
        false
    }

    fn poll_first_seen(&self) -> Option<u64> {
        None
    }
}
