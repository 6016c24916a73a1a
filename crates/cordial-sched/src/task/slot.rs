//! The slot that owns a task while it waits: how the threads that wake a task and the thread that polls it agree on its owner.
//!
//! A task has one owner at a time: a queue, the thread that polls it, or its slot. The slot is a cell for the task and a
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
//! *Waiting* is a task in the cell. In *Owned* and *Notified* the cell is empty, and the flag says which of them it is. Every arrow is
//! one critical section, so they happen one after another.
//!
//! **One owner.** While the cell is empty, the task is with a queue or with the thread that polls it. Of all threads that wake a waiting
//! task, only the first finds it in the cell. That thread is the owner from then on.
//!
//! **No wake-up is lost.** A thread that wakes a task either gets it, or leaves the slot `Notified`. Then the owner's next arrow is that
//! of `begin_poll`, before a poll, or `put` finds the flag, and the task is polled once more.
//!
//! **The poll sees what it was woken for.** The flag is cleared under the lock only, so `begin_poll` happens after each `take` that has
//! set the flag or found it set. `begin_poll` looks at the flag without the lock first, because most polls find it clear. A `take` whose
//! flag is not seen there, or that comes later, is left for `put`.
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
//! callers give up after a second: the task is not run there. Without a fork they wait for as long as it takes.

use crate::sync::{AtomicBool, AtomicU32, Ordering, SpinLock};

/// The slot of one task. Empty at first: the thread that makes the task owns it.
pub(crate) struct OwnerSlot<T> {
    cell: SpinLock<Option<T>>,
    /// Whether the task was woken, while it was not in the cell, since the last poll began. Relaxed: written under the lock.
    is_notified: AtomicBool,
    /// How many polls have begun. Wraps. Relaxed: written by the owner of the task only.
    n_polls: AtomicU32,
}

impl<T> OwnerSlot<T> {
    pub(crate) fn empty() -> OwnerSlot<T> {
        OwnerSlot { cell: SpinLock::new(None), is_notified: AtomicBool::new(false), n_polls: AtomicU32::new(0) }
    }

    /// Takes the task, to queue it: it was woken. `None` if it has another owner, which will poll it again.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        let mut cell = self.cell.lock_for_a_second()?;
        let task = cell.take();
        if task.is_none() {
            self.is_notified.store(true, Ordering::Relaxed);
        }
        task
    }

    /// Puts the task back after a poll. Returns it if it was woken meanwhile.
    #[must_use = "a task that was woken has to be queued"]
    #[inline]
    pub(crate) fn put(&self, task: T) -> Option<T> {
        let Some(mut cell) = self.cell.lock_for_a_second() else {
            // A forked process. Dropping the task would run destructors of the user that expect the other threads.
            std::mem::forget(task);
            return None;
        };
        if self.is_notified.load(Ordering::Relaxed) {
            return Some(task);
        }
        *cell = Some(task);
        None
    }

    /// Counts a poll that the owner of the task is about to begin, and clears the notification of the wake-ups before it.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.n_polls.store(self.n_polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // Looked at first, because most polls need no lock.
        if self.is_notified.load(Ordering::Relaxed) {
            let _cell = self.cell.lock_for_a_second();
            self.is_notified.store(false, Ordering::Relaxed);
        }
    }

    /// Returns how many polls have begun since the last `reset`.
    pub(crate) fn n_polls(&self) -> u32 {
        self.n_polls.load(Ordering::Relaxed)
    }

    /// Returns whether the task is in the slot: it waits to be woken. A hint: false while another thread uses the slot.
    pub(crate) fn is_waiting(&self) -> bool {
        self.cell.try_lock().is_some_and(|cell| cell.is_some())
    }

    /// Prepares the slot for the next task. Called by the owner of the task.
    pub(crate) fn reset(&self) {
        self.n_polls.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
