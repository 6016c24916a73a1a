//! How many threads have not ended, and which thread runs the tasks that are pushed after the last
//! thread has ended.
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
//! **No pushed task is lost.** To lose one, the pusher would have to read 1, and the last thread to find the queues
//! empty. Of the two fences one comes first. If it is the pusher's, the recheck sees the push. If it is the last
//! thread's, the pusher reads 0 and looks into the queues itself. Both may look; each task is taken once.
//!
//! Each thread moves its tasks to the injector before it ends. The last thread decrements the
//! counter after the others, so its recheck sees those tasks too.
//!
//! **A pool that is not stopping.** A thread that ends starts its replacement first, if a worker would be missing. If the system
//! refuses the replacement, the last thread may end while the pool is not stopping. The tasks then wait for sysmon, which tries again to
//! start a thread. If another thread, the stopper, stops the pool at that moment, there are again two fences, of which one comes first.
//! If it is the stopper's (in `Idle::wake_sysmon`), the last thread sees that the pool is stopping. If it is the last thread's, the
//! stopper reads 0. So at least one of them looks into the queues (the callers of `Pool::thread_exited`, `Executor::close`).
//!
//! **No thread starts after the last one.** In a pool that is stopping, sysmon starts a thread if tasks wait behind polls that do not
//! return. If these polls return meanwhile, the last thread ends, runs the remaining tasks, and tokio is shut down: a thread that
//! started after that would poll tasks whose timers are gone. So the number is not raised from 0 while the pool is stopping.
//!
//! **Effects of ended threads.** A thread to which the method `n_running` returns 0 sees everything that the ended
//! threads did: each decrement is a release, and this read is an acquire. The read in `have_all_exited` is relaxed.
//!
//! **Each ordering was removed**, and this failed (`running/tests.rs`):
//!
//! | change | what failed |
//! |---|---|
//! | `thread_exited`: no fence, or the fence before the decrement | a task is lost, both in a pool that is stopping already and in one that is stopped meanwhile |
//! | `Idle::notify`: no fence | a task is lost |
//! | `stop`: `wake_sysmon` before the flag is set, or no fence in it | a task is lost if the pool is stopped while the last thread ends |
//! | `thread_exited`: relaxed | effects of an ended thread are not seen after reading 0 |
//! | method `n_running`: relaxed | the same |
//! | `thread_starts`: raises the number in any case | a thread starts after the last one |

use crate::idle::Idle;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, fence};

/// The threads that have not ended, and whether they are to end.
#[derive(Debug)]
pub(crate) struct RunningThreads {
    n_running: AtomicUsize,
    /// Relaxed: ordered by the fences named above and, for workers that are about to park, by those in `Idle::sleep`.
    is_stopping: AtomicBool,
}

impl RunningThreads {
    pub(crate) fn new() -> RunningThreads {
        RunningThreads { n_running: AtomicUsize::new(0), is_stopping: AtomicBool::new(false) }
    }

    /// Counts a thread that is about to be started. Returns `false` if the last thread of a pool that is stopping has ended: then none
    /// may start.
    #[must_use = "no thread may start after the last one has ended"]
    pub(crate) fn thread_starts(&self) -> bool {
        let starts = |n_running| (n_running > 0 || !self.is_stopping()).then_some(n_running + 1);
        // Acquire pairs with the release in `thread_exited`: a thread that has ended because the pool is stopping has seen the flag, so it
        // is seen here.
        self.n_running.fetch_update(Ordering::Relaxed, Ordering::Acquire, starts).is_ok()
    }

    /// Counts a thread as ended. Returns `true` if it is the last thread of a pool that is
    /// stopping: then it must look into the queues once more.
    #[must_use = "tasks that were pushed in the meantime would never run"]
    pub(crate) fn thread_exited(&self) -> bool {
        // Release pairs with the acquire in `n_running`.
        let is_last = self.n_running.fetch_sub(1, Ordering::Release) == 1;
        // Pairs with the fences in `Idle::notify` and in `stop`.
        fence(Ordering::SeqCst);
        is_last && self.is_stopping()
    }

    /// Lets the threads end, and wakes sysmon, which does not sleep from then on. The caller wakes the workers afterwards.
    pub(crate) fn stop(&self, idle: &Idle) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // Its fence pairs with the fences in `thread_exited` and `Idle::sleep`.
        idle.wake_sysmon();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Returns whether all threads of a pool that is stopping have ended. If so, a thread that pushes must run the task itself.
    ///
    /// Must be called after a push and its `Idle::notify`, whose fence pairs with the fence in
    /// `thread_exited`.
    pub(crate) fn have_all_exited(&self) -> bool {
        // A pool that is not stopping may have no thread for a moment, because the system refused one.
        self.is_stopping() && self.n_running.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn n_running(&self) -> usize {
        // Pairs with the release in `thread_exited`.
        self.n_running.load(Ordering::Acquire)
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
