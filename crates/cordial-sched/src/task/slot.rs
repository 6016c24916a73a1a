//! The slot that owns a task while it waits: how the threads that wake a task and the thread that polls it agree on its owner.
//!
//! Until a task ends, it has one owner at a time: a queue, the thread that polls it, or its slot. The slot is a cell for the task and a
//! flag, under a lock that is held for a few instructions:
//!
//! ```text
//!               put: the task is in the cell
//!            ┌───────────────────────────────┐
//!            │                               ▼
//!          Owned ◄──────────────────────── Waiting
//!           │  ▲   take: the caller has it
//!     take: │  │ begin_poll
//!  not here ▼  │
//!        Notified ── put: woken meanwhile, the caller keeps the task
//! ```
//!
//! *Waiting* is a task in the cell. In *Owned* and *Notified* the cell is empty, and the flag says which of the two it is. Every arrow is
//! one critical section, so the arrows happen one after another.
//!
//! **One owner.** While the cell is empty, the task has another owner. Of all threads that wake a waiting
//! task, only the first finds it in the cell. That thread is the owner from then on.
//!
//! **No wake-up is lost.** A thread that wakes a task either gets it, or leaves the slot *Notified*. Then either the owner calls
//! `begin_poll` next, and polls the task, or it calls `put`, which finds the flag, so that the task is polled once more. (A task that
//! ends is not polled again.)
//!
//! **The poll sees what it was woken for.** The flag is cleared under the lock only, so `begin_poll` happens after each `take` that has
//! set the flag or found it set. `begin_poll` reads the flag without the lock first, because most polls find it clear. If
//! `begin_poll` does not see the flag that a `take` has set, or if the `take` comes later, `put` finds that flag.
//!
//! `slot/tests.rs` checks this with loom. What was removed or weakened, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `put` does not look at the flag | a wake-up is lost |
//! | `take` does not set the flag | a wake-up is lost |
//! | `take` sets the flag without the lock, after it has found the cell empty | a wake-up is lost |
//! | `begin_poll` clears the flag without the lock | a wake-up is lost |
//!
//! **A fork.** Another thread may have held the lock when the program forked. Then no thread of the forked process releases it, and
//! `take` and `put` give up after a second: the task is not polled again there. Without a fork they wait for as long as it takes.

use crate::sync::{AtomicBool, AtomicU32, Ordering, SpinLock};

/// The slot of one task. Empty at first: the thread that makes the task owns it.
pub(crate) struct OwnerSlot<T> {
    cell: SpinLock<Option<T>>,
    /// Whether a `take` has found the cell empty since the last poll began. Relaxed: written under the lock.
    is_notified: AtomicBool,
    /// How many polls have begun. Wraps. Relaxed: written by the owner of the task only.
    n_polls: AtomicU32,
}

impl<T> OwnerSlot<T> {
    pub(crate) fn empty() -> OwnerSlot<T> {
        OwnerSlot { cell: SpinLock::new(None), is_notified: AtomicBool::new(false), n_polls: AtomicU32::new(0) }
    }

    /// Takes the task, to queue it, because it was woken. `None` if the task has another owner, which is then notified and polls it again
    /// unless it ends, or if this is a forked process that cannot get the lock.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        let mut cell = self.cell.lock_for_a_second()?;
        let task = cell.take();
        if task.is_none() {
            self.is_notified.store(true, Ordering::Relaxed);
        }
        task
    }

    /// Puts the task back after a poll. Returns the task if it was woken meanwhile.
    #[must_use = "a task that was woken has to be queued"]
    #[inline]
    pub(crate) fn put(&self, task: T) -> Option<T> {
        let Some(mut cell) = self.cell.lock_for_a_second() else {
            // This is a forked process. Dropping the task would run user destructors that expect the other threads.
            std::mem::forget(task);
            return None;
        };
        if self.is_notified.load(Ordering::Relaxed) {
            return Some(task);
        }
        *cell = Some(task);
        None
    }

    /// Counts a poll that the owner of the task is about to begin, and clears the flag that earlier wake-ups have set.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.n_polls.store(self.n_polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // Read before the lock is taken, because most polls find it clear and need no lock.
        if self.is_notified.load(Ordering::Relaxed) {
            let _cell = self.cell.lock_for_a_second();
            self.is_notified.store(false, Ordering::Relaxed);
        }
    }

    /// Returns how many polls have begun since the last `reset`.
    pub(crate) fn n_polls(&self) -> u32 {
        self.n_polls.load(Ordering::Relaxed)
    }

    /// Returns whether the task is in the slot, where it waits to be woken. A hint: returns false while another thread uses the slot.
    pub(crate) fn is_waiting(&self) -> bool {
        self.cell.try_lock().is_some_and(|cell| cell.is_some())
    }

    /// Sets the number of polls to zero for the next task of the header. Called by the owner of the task.
    pub(crate) fn reset(&self) {
        self.n_polls.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
