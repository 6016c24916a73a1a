//! The last thread out of the pool, and who runs what is pushed after it.
//!
//! ```text
//!  pusher                                last thread
//!  ──────                                ───────────
//!  1 push                                1 n_running: 1 ─► 0
//!  2 fence (in `Idle::notify`)           2 fence
//!  3 read n_running                      3 look into the queues once more
//!    0: look into the queues
//! ```
//!
//! **The race that must not be.** The pusher reads 1 and goes, the last thread looks and sees nothing, and the task lies
//! there for good. Of the two fences one comes first. If the pusher's does, the last look sees the push. If the last
//! thread's does, the pusher reads 0 and looks itself. Both may look; each task is taken once.
//!
//! A thread that leaves before the last has pushed what it held into the queue for everybody. The last thread has counted
//! after it, and so its look sees that too.
//!
//! **A pool that goes on.** Where the system has refused the next thread, the last one may leave a pool that is not stopping.
//! What waits then waits for the watch, which tries again. If the pool is stopped at that moment, either the thread, after
//! its fence, sees the flag, or whoever stops the pool, after the fence in `Idle::wake_sysmon`, reads 0; one of them, or both,
//! look into the queues (`Pool::leave`, `Executor::close`).
//!
//! **What is over is seen.** Whoever reads 0 in `n_running` sees all that the threads did: each count is a release, and
//! the read is an acquire.
//!
//! **Each ordering was taken away**, and this failed (`running/tests.rs`):
//!
//! | change | what failed |
//! |---|---|
//! | `leave`: its fence, or the fence before the count | a task is lost, also where the pool is stopped meanwhile |
//! | `Idle::notify`: its fence | a task is lost |
//! | `Idle::wake_sysmon`: its fence | a task is lost where the pool is stopped |
//! | `leave`: relaxed | what a thread did is not seen by who read 0 |
//! | `n_running`: relaxed | the same |

use crate::sync::{AtomicUsize, Ordering, fence};

/// Threads that have not ended.
#[derive(Debug)]
pub(crate) struct RunningThreads {
    n_running: AtomicUsize,
}

impl RunningThreads {
    pub(crate) fn new() -> RunningThreads {
        RunningThreads { n_running: AtomicUsize::new(0) }
    }

    pub(crate) fn enter(&self) {
        self.n_running.fetch_add(1, Ordering::Relaxed);
    }

    /// `true` for the last one, which has to look into the queues once more.
    #[must_use = "what was pushed in the meantime is nobody's"]
    pub(crate) fn leave(&self) -> bool {
        // Release pairs with the acquire in `n_running`.
        let is_last = self.n_running.fetch_sub(1, Ordering::Release) == 1;
        // Pairs with the fence in `Idle::notify`.
        fence(Ordering::SeqCst);
        is_last
    }

    /// Whether all have left. To be asked after a push and its `Idle::notify`, whose fence pairs with the one in `leave`:
    /// then the pusher has to look into the queues itself.
    pub(crate) fn is_over(&self) -> bool {
        self.n_running.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn n_running(&self) -> usize {
        // Pairs with the release in `leave`.
        self.n_running.load(Ordering::Acquire)
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
