//! The part of a task that has a fixed address: what its wakers, its handle and the layer above refer to.

use crate::sync::{AtomicU64, Ordering};
use crate::table::Key;
use crate::task::join::JoinSlot;
use crate::task::slot::OwnerSlot;

/// A task's header, at a fixed address and reference-counted: the owner of the task, its wakers, its handle and the layer
/// above refer to it. Used by one task after another.
///
/// `T` is the type that owns a task: `Runnable`.
pub(crate) struct Header<T> {
    /// Where the task is while it waits.
    pub(crate) owner: OwnerSlot<T>,
    /// Where the task is when it has finished.
    pub(crate) join: JoinSlot<T>,
    /// The key of the task, and `IS_ENDING`. Relaxed: written before the task is started, and see `mark_ending`.
    key: AtomicU64,
}

/// Set if the task has to end. The highest bit of the index in a key, which no table uses.
const IS_ENDING: u64 = 1 << 31;

impl<T> Header<T> {
    pub(crate) fn new() -> Header<T> {
        Header { owner: OwnerSlot::empty(), join: JoinSlot::new(), key: AtomicU64::new(0) }
    }

    /// Prepares the header for its next task, whose key is `key`.
    ///
    /// # Panics
    ///
    /// If the index of the key has more than 31 bits: it was not handed out by a table.
    pub(crate) fn reset(&self, key: Key) {
        let bits = key.to_bits();
        assert_eq!(bits & IS_ENDING, 0, "the index of a key has 26 bits");
        self.key.store(bits, Ordering::Relaxed);
        self.owner.reset();
    }

    /// Returns the key of the task.
    ///
    /// # Panics
    ///
    /// If no task has used the header.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        let bits = self.key.load(Ordering::Relaxed) & !IS_ENDING;
        Key::from_bits(bits).expect("the header was reset for a task")
    }

    /// Marks that the task of `key`, and no other task, has to end. Relaxed: the caller wakes the
    /// task afterwards.
    pub(crate) fn mark_ending(&self, key: Key) {
        let bits = key.to_bits();
        // In one step, since the next task may use the header at any moment. Does nothing if the
        // next task has it already, or if the mark is set.
        let _ = self.key.compare_exchange(bits, bits | IS_ENDING, Ordering::Relaxed, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.key.load(Ordering::Relaxed) & IS_ENDING != 0
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
