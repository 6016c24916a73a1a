//! The slot that owns a task while it waits: how the threads that wake a task and the thread that polls it agree on who
//! owns it.
//!
//! A task has one owner at a time: a queue, the thread that polls it, or its slot. The slot is a cell for the task and a
//! state, an integer:
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
//! Every arrow is one exchange of the state, so they happen one after another.
//!
//! **One owner.** In `Owned` and `Notified` the task is with a queue or with the thread that polls it, and only that owner
//! uses the cell: it fills the cell before it makes the state `Waiting`. Of all threads that wake a
//! waiting task, the exchange of only one succeeds. That thread is the owner from then on, and
//! empties the cell. So the cell is never contended, and no thread waits.
//!
//! **No wake-up is lost.** A thread that wakes a task either gets it, or its exchange leaves the state `Notified`. Then
//! the owner's next exchange is that of `begin_poll`, before a poll, or that of `put`, which fails, so that the task is
//! polled once more.
//!
//! **The poll sees what it was woken for.** Each `take` that finds `Owned` or `Notified` exchanges the state (Release), also if
//! it does not change it. `begin_poll` exchanges it as well (Acquire), and so pairs with all of them. With a plain store by a
//! `take` that finds `Notified`, it would pair with the last of them only. A `take` that comes
//! between the load and the exchange of `begin_poll` is seen, and a later `take` is left for `put`.
//!
//! `slot/tests.rs` checks this with loom. What was removed or weakened, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `put` leaves a task in the cell that was woken meanwhile | a wake-up is lost |
//! | `take` does not notify the owner | a wake-up is lost |
//! | `take` exchanges nothing if it finds `Notified` | a wake-up is lost |
//! | `take` notifies with a relaxed exchange | a wake-up is lost |
//! | `begin_poll` makes the state `Owned` with a plain store, or with a relaxed exchange | a wake-up is lost |
//! | `put` fills the cell after its exchange | panic: two threads use the cell |
//! | `take` loads and stores instead of exchanging | a wake-up is lost |
//!
//! One pair is not covered: with a relaxed `put`, or a relaxed `take` of a waiting task, a thread could find the cell as it was
//! before the owner left it. The model does not reorder those accesses.

use crate::sync::{AtomicU8, AtomicU32, Ordering, OwnerCell};

/// The task is in a queue, or polled.
const OWNED: u8 = 0;
/// As `OWNED`, and the task was woken since the last poll began.
const NOTIFIED: u8 = 1;
/// The task is in the cell.
const WAITING: u8 = 2;

/// The slot of one task. Empty at first: the thread that makes the task owns it.
pub(crate) struct OwnerSlot<T> {
    cell: OwnerCell<T>,
    state: AtomicU8,
    /// How many polls have begun. Wraps. Relaxed: written by the owner of the task only.
    n_polls: AtomicU32,
}

impl<T> OwnerSlot<T> {
    pub(crate) fn empty() -> OwnerSlot<T> {
        OwnerSlot { cell: OwnerCell::empty(), state: AtomicU8::new(OWNED), n_polls: AtomicU32::new(0) }
    }

    /// Takes the task, to queue it: it was woken. `None` if it has another owner, which will poll it again.
    pub(crate) fn take(&self) -> Option<T> {
        // Most wake-ups find a task that waits.
        let mut state = WAITING;
        loop {
            let (next, ordering) = match state {
                // Pairs with `put`: this thread sees that the cell was left.
                WAITING => (OWNED, Ordering::Acquire),
                // Pairs with `begin_poll`.
                _ => (NOTIFIED, Ordering::Release),
            };
            match self.state.compare_exchange(state, next, ordering, Ordering::Relaxed) {
                Ok(WAITING) => return self.cell.take(),
                Ok(_) => return None,
                Err(current) => state = current,
            }
        }
    }

    /// Puts the task back after a poll. Returns it if it was woken meanwhile.
    #[must_use = "a task that was woken has to be queued"]
    pub(crate) fn put(&self, task: T) -> Option<T> {
        self.cell.fill(task);
        // Release: pairs with `take`. Relaxed: the next poll sees in `begin_poll` what the task was woken for.
        match self.state.compare_exchange(OWNED, WAITING, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => None,
            Err(_) => self.cell.take(),
        }
    }

    /// Counts a poll that the owner of the task is about to begin, and clears the notification of the wake-ups before it.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.n_polls.store(self.n_polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // Looked at first, because most polls need no exchange.
        if self.state.load(Ordering::Relaxed) == NOTIFIED {
            // Pairs with each `take` since the last poll.
            self.state.swap(OWNED, Ordering::Acquire);
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
