//! How threads that are not workers of an executor queue its tasks: the threads of its tokio runtime, and all others.

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
    /// Queues a task from a thread that is not a worker of this executor. If every thread of the pool has exited, the hook
    /// `on_foreign_thread` runs the task on this thread. `executor` makes the handle on the executor that the hook needs.
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

/// Queues tasks on a thread of an executor's tokio runtime. Most tasks that the thread wakes belong to that executor. Queuing them in
/// this way does not change the reference count of the executor.
pub(super) struct IoThread {
    pub(super) executor: Executor,
}

impl LocalSchedule for IoThread {
    fn push(&self, task: Runnable, _: Placement) -> Result<(), Runnable> {
        let core = self.executor.core();
        if task.scheduler() != core.common.tasks.scheduler() {
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
