//! The last thread out of the pool, and who runs what is pushed after it.
//!
//! ```text
//!  pusher                         last thread
//!  ──────                         ───────────
//!  1 push                         1 n_running: 1 ─► 0
//!  2 read n_running               2 look into the queues once more
//!    0: look into the queues
//! ```
//!
//! The task must not lie there for good. Both first steps come before both second ones in one order that all agree on
//! (`SeqCst`, and a fence after the push, which need not be): if the pusher reads 1, its push came before the last
//! thread's step, and so before that thread's look. Both may look; each task is taken once.

use crate::sync::{AtomicUsize, Ordering, fence};

/// Threads that have not ended.
#[derive(Debug)]
pub(crate) struct LastOut {
    n_running: AtomicUsize,
}

impl LastOut {
    pub(crate) fn new() -> LastOut {
        LastOut { n_running: AtomicUsize::new(0) }
    }

    pub(crate) fn enter(&self) {
        self.n_running.fetch_add(1, Ordering::SeqCst);
    }

    /// `true` for the last one, which has to look into the queues once more.
    #[must_use = "what was pushed in the meantime is nobody's"]
    pub(crate) fn leave(&self) -> bool {
        let is_last = self.n_running.fetch_sub(1, Ordering::SeqCst) == 1;
        // Pairs with the fence in `is_over`.
        fence(Ordering::SeqCst);
        is_last
    }

    /// Whether all have left. To be asked after a push: then the pusher has to look into the queues itself.
    pub(crate) fn is_over(&self) -> bool {
        // Pairs with the fence in `leave`.
        fence(Ordering::SeqCst);
        self.n_running.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn n_running(&self) -> usize {
        self.n_running.load(Ordering::SeqCst)
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
