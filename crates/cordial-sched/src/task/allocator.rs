//! Makes and reuses the tasks of one executor.

use std::time::{Duration, Instant};

use crate::free_list::{BATCH, FreeList};
use crate::sync::Mutex;
use crate::table::Key;
use crate::task::runnable::Runnable;
use crate::task::schedule::{HeaderReuse, SchedulerRef};

/// A free task is freed only after it was unused for this long. If the program is idle and more than `FEW` tasks are free, that happens
/// after twice this long at the latest. With a shorter time, a program that repeats a burst every few seconds would pay for the
/// allocations each time.
const KEPT_FOR: Duration = Duration::from_secs(12);

/// Up to this many free tasks are not worth the wake-up of an idle program: the next trim waits until the program goes to sleep again,
/// at least `KEPT_FOR` after the last trim.
const FEW: usize = 1024;

/// The free tasks of one executor. They are freed with the executor, or later if they are in the magazine of a thread.
pub(crate) struct TaskAllocator {
    free: FreeList<Runnable>,
    scheduler: SchedulerRef,
    /// The time of the last trim, even if no task was freed.
    last_trim: Mutex<Option<Instant>>,
}

impl TaskAllocator {
    pub(crate) fn new(reuse: HeaderReuse) -> TaskAllocator {
        let free = FreeList::new(1);
        let free_tasks = match reuse {
            HeaderReuse::Eager => free.downgrade(),
            HeaderReuse::Exact => free.downgrade_without_magazines(),
        };
        TaskAllocator { scheduler: SchedulerRef::new(reuse, free_tasks), free, last_trim: Mutex::new(None) }
    }

    /// Returns the scheduler of the tasks.
    pub(crate) fn scheduler(&self) -> &SchedulerRef {
        &self.scheduler
    }

    /// Takes a task without a future, and gives it a key.
    pub(crate) fn allocate(&self, key: Key) -> Runnable {
        let make = || Some(std::iter::repeat_with(|| Runnable::new(self.scheduler.clone())).take(BATCH).collect());
        let task = match self.scheduler.header_reuse() {
            HeaderReuse::Eager => self.free.take(make),
            // Which task is used next must depend on this executor alone, not on what else the thread does.
            HeaderReuse::Exact => self.free.take_without_magazine(make),
        };
        let task = task.expect("new tasks can always be made");
        task.header().reset(key);
        task
    }

    /// Frees the tasks that were not used for long, until `is_quiet` returns `false`: see [`FreeList::trim`]. Does nothing if the last trim
    /// was less than `KEPT_FOR` ago. If more than `FEW` free tasks are left, returns how long to wait before the next call.
    pub(crate) fn trim(&self, now: Instant, is_quiet: impl Fn() -> bool) -> Option<Duration> {
        let mut last_trim = self.last_trim.lock();
        let since_last = last_trim.map_or(KEPT_FOR, |last| now.saturating_duration_since(last));
        if since_last < KEPT_FOR {
            return (self.free.len() > FEW).then_some(KEPT_FOR - since_last);
        }
        *last_trim = Some(now);
        drop(last_trim);
        self.free.trim(is_quiet);
        (self.free.len() > FEW).then_some(KEPT_FOR)
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
