//! Makes and reuses the tasks of one executor.

use crate::free_list::{BATCH, FreeList};
use crate::table::Key;
use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule::{HeaderReuse, SchedulerRef};
use crate::task::waker::HeaderWaker;

/// The free tasks of one executor. When it is dropped their headers are retired.
pub(crate) struct TaskAllocator {
    free: FreeList<Runnable>,
    scheduler: SchedulerRef,
}

impl TaskAllocator {
    pub(crate) fn new(reuse: HeaderReuse) -> TaskAllocator {
        let free = FreeList::new(1);
        let free_tasks = match reuse {
            HeaderReuse::Eager => free.downgrade(),
            HeaderReuse::Exact => free.downgrade_without_magazines(),
        };
        TaskAllocator { scheduler: SchedulerRef::new(reuse, free_tasks), free }
    }

    /// Returns the scheduler of the tasks.
    pub(crate) fn scheduler(&self) -> &SchedulerRef {
        &self.scheduler
    }

    /// Takes a task without a future, and gives it a key.
    pub(crate) fn allocate(&self, key: Key) -> Runnable {
        let make = || Some(self.make());
        let task = match self.scheduler.header_reuse() {
            HeaderReuse::Eager => self.free.take(make),
            // Which task is used next must depend on this executor alone, not on what else the thread does.
            HeaderReuse::Exact => self.free.take_without_magazine(make),
        };
        let task = task.expect("new tasks can always be made");
        task.header().reset(key);
        task
    }

    /// Frees the memory that is kept for futures and was not needed for long. See [`FreeList::trim`].
    pub(crate) fn trim(&self, is_quiet: impl Fn() -> bool) {
        self.free.trim(is_quiet, Runnable::take_spare);
    }

    fn make(&self) -> Vec<Runnable> {
        let mut wakers = HeaderWaker::adopt(BATCH);
        if wakers.is_empty() {
            let headers: Box<[Header<Runnable>]> = std::iter::repeat_with(Header::new).take(BATCH).collect();
            wakers = Box::leak(headers).iter().map(HeaderWaker::new).collect();
        }
        wakers.into_iter().map(|waker| Runnable::new(waker, self.scheduler.clone())).collect()
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
