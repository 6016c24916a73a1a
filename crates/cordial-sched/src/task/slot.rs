//! Where a task is while it waits, and how those who wake it and the one who polls it agree on who has it.
//!
//! A task belongs to one at a time. The cell holds it while nobody has it; if somebody has, it holds nothing, or a mark
//! that says that the task was woken since.
//!
//! ```text
//!                    ┌─────── take: the task ◄──── wake
//!                    ▼                               │ nothing or a mark there:
//!       queue ─► polled ─► put ─► the cell           └ swap: a mark in, and what came meanwhile out
//!         ▲                 │ a mark was there:
//!         └─────────────────┴ take it back
//! ```
//!
//! Each step is one swap of the whole cell, and each swap sees what those before it saw: no wake-up is lost. Whoever
//! wakes swaps twice unless the task is there, and may have taken the mark of another for a moment. If the task comes
//! in that moment, its second swap finds it. A mark that was left before a poll begins is taken away, since that poll sees
//! what it was left for. Whether there may be one is told by a flag, which is set late: then the task is polled once in vain.
//!
//! Taken away, one at a time, and what `tests.rs` says:
//!
//! | what | |
//! |---|---|
//! | `put` looks for a mark | a wake-up is lost |
//! | the second swap of `take` gives the task that it finds | a wake-up is lost |
//! | the mark of another is put back | a wake-up is lost |

use crate::sync::{AtomicBool, AtomicU32, Ordering, OwnerCell};

/// What a cell holds.
pub(crate) trait SlotValue {
    /// Whether it only says that the task was woken.
    fn is_notified_mark(&self) -> bool;
}

/// The cell. It is empty at first: whoever made the task has it.
pub(crate) struct OwnerSlot<T> {
    cell: OwnerCell<T>,
    /// A hint, so relaxed: a mark was left.
    may_be_marked: AtomicBool,
    /// How many polls have begun. Wraps. Relaxed: counted by whoever has the task.
    polls: AtomicU32,
}

impl<T: SlotValue> OwnerSlot<T> {
    pub(crate) fn empty() -> OwnerSlot<T> {
        OwnerSlot { cell: OwnerCell::new(None), may_be_marked: AtomicBool::new(false), polls: AtomicU32::new(0) }
    }

    /// For whoever wakes the task: the task, to be queued. `None` if somebody has it, who will see the mark.
    pub(crate) fn take(&self, new_mark: impl FnOnce() -> T) -> Option<T> {
        let mark = match self.cell.take() {
            Some(task) if !task.is_notified_mark() => return Some(task),
            mark => mark.unwrap_or_else(new_mark),
        };
        let came = self.cell.swap(Some(mark));
        self.may_be_marked.store(true, Ordering::Relaxed);
        came.filter(|came| !came.is_notified_mark())
    }

    /// For whoever has polled the task. Given back if it was woken meanwhile.
    pub(crate) fn put(&self, task: T) -> Option<T> {
        let mark = self.cell.swap(Some(task))?;
        self.take(|| mark)
    }

    /// For whoever has the task and is about to poll it: what woke it so far needs no poll of its own.
    pub(crate) fn begin_poll(&self) {
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.forget_marks();
    }

    /// How many polls have begun since `forget_polls`.
    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    /// For whoever has the task, which is a new one.
    pub(crate) fn forget_polls(&self) {
        self.polls.store(0, Ordering::Relaxed);
    }

    /// For whoever has the task and is about to poll it, or has seen it end.
    pub(crate) fn forget_marks(&self) {
        if self.may_be_marked.load(Ordering::Relaxed) {
            self.may_be_marked.store(false, Ordering::Relaxed);
            drop(self.cell.take());
        }
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
