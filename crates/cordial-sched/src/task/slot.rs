//! The slot that owns a task while it waits: how the threads that wake a task and the thread that polls it agree on who
//! owns it.
//!
//! A task has one owner at a time: a queue, the thread that polls it, or its slot. The slot is empty while the task is
//! somewhere else, and has a flag: the task was woken meanwhile.
//!
//! ```text
//!                    ┌────── take: the task ◄──────── wake
//!                    ▼                                  │ the slot is empty:
//!       queue ─► polled ─► put ─► the slot              └ set the flag, take again
//!         ▲                 │ the flag is set:
//!         └─────────────────┴ take again
//! ```
//!
//! Every `take` and every `put` is one exchange of the slot (AcqRel), so they stand in one order, and each sees what was
//! written before the earlier ones.
//!
//! **No wake-up is lost.** A thread that wakes the task takes twice if the slot is empty, and sets the flag in between. If
//! the slot is empty the second time as well, then the next `put` comes after that exchange and sees the flag. If the task
//! was put there in between, the second `take` finds it.
//!
//! **The flag is cleared** when a poll begins, because that poll sees what the flag was set for: it clears with an exchange
//! (Acquire), which pairs with the exchanges (Release) of all threads that have set it since. With plain stores it would pair
//! with the last one only. A flag that is not seen then is left for `put`. So a flag that is set late costs a spurious poll, and
//! never a missing one.
//!
//! **One owner.** A thread gets the task out of an exchange, and no other thread can get it out of the same exchange.
//!
//! `slot/tests.rs` checks this with loom. What was removed or weakened, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `put` does not look at the flag | a wake-up is lost |
//! | `take` does not take a second time | a wake-up is lost |
//! | `take` sets the flag after it has taken a second time | a wake-up is lost |
//! | `begin_poll` clears the flag with a plain store, or with a relaxed exchange | a wake-up is lost |
//! | `take` sets the flag with a relaxed exchange | a wake-up is lost |
//! | `take` sets the flag with a plain store (Release): two of them hide each other | a wake-up is lost |

use crate::sync::{AtomicBool, AtomicU32, Ordering, OwnerCell};

/// The slot of one task. Empty at first: the thread that makes the task owns it.
pub(crate) struct OwnerSlot<T> {
    cell: OwnerCell<T>,
    /// The task was woken while the slot was empty.
    is_notified: AtomicBool,
    /// How many polls have begun. Wraps. Relaxed: written by the owner of the task only.
    n_polls: AtomicU32,
}

impl<T> OwnerSlot<T> {
    pub(crate) fn empty() -> OwnerSlot<T> {
        OwnerSlot { cell: OwnerCell::new(None), is_notified: AtomicBool::new(false), n_polls: AtomicU32::new(0) }
    }

    /// Takes the task, to queue it: it was woken. `None` if it has another owner, which will poll it again.
    pub(crate) fn take(&self) -> Option<T> {
        let task = self.cell.take();
        if task.is_some() {
            return task;
        }
        // An exchange, because the one in `begin_poll` has to pair with those of all threads that set the flag. `put` sees the
        // flag because of the exchange of the cell below.
        self.is_notified.swap(true, Ordering::Release);
        self.cell.take()
    }

    /// Puts the task back after a poll. Returns it if it was woken meanwhile.
    #[must_use = "a task that was woken has to be queued"]
    pub(crate) fn put(&self, task: T) -> Option<T> {
        let before = self.cell.swap(Some(task));
        debug_assert!(before.is_none(), "a task has one owner");
        // Relaxed: the exchange sees the flag of every `take` that came before it.
        if self.is_notified.load(Ordering::Relaxed) { self.cell.take() } else { None }
    }

    /// Counts a poll that the owner of the task is about to begin, and clears the flag of the wake-ups before it.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.n_polls.store(self.n_polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // Looked at first, because most polls need no exchange.
        if self.is_notified.load(Ordering::Relaxed) {
            self.is_notified.swap(false, Ordering::Acquire);
        }
    }

    /// Returns how many polls have begun since the last `reset`.
    pub(crate) fn n_polls(&self) -> u32 {
        self.n_polls.load(Ordering::Relaxed)
    }

    /// Prepares the slot for the next task. Called by the owner of the task.
    pub(crate) fn reset(&self) {
        self.n_polls.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
