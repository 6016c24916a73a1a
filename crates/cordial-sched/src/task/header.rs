//! The part of a task that has a fixed address: what its wakers, its handle and the layer above refer to.

use crate::sync::{AtomicU64, Ordering};
use crate::table::Key;
use crate::task::alarm::Alarm;
use crate::task::join::JoinSlot;
use crate::task::slot::OwnerSlot;

/// A task's header. It is reference-counted: the owner of the task, its wakers, its handle and the layer above refer to it. When
/// its task is gone, another task uses it.
///
/// `T` is the type that owns a task: `Runnable`.
pub(crate) struct Header<T> {
    /// Owns the task while it waits to be woken.
    pub(crate) owner: OwnerSlot<T>,
    /// Owns the task from its end until its join handle takes it.
    pub(crate) join: JoinSlot<T>,
    pub(crate) alarm: Alarm,
    /// The key of the task, with marks in the high bits of its index. Relaxed: the key is written before the task is started, and
    /// the caller of `mark_ending` wakes the task afterwards.
    key: AtomicU64,
}

/// Set if the task has to end. This is the highest bit of the index in a key: an index has 26 of the 32 bits.
const IS_ENDING: u64 = 1 << 31;

/// Set if sysmon has found the task in a poll since `take_sampled` was last called. The second highest bit of the index.
const IS_SAMPLED: u64 = 1 << 30;

const MARKS: u64 = IS_ENDING | IS_SAMPLED;

impl<T> Header<T> {
    pub(crate) fn new() -> Header<T> {
        Header { owner: OwnerSlot::empty(), join: JoinSlot::new(), alarm: Alarm::new(), key: AtomicU64::new(0) }
    }

    /// Prepares the header for its next task, whose key is `key`.
    ///
    /// # Panics
    ///
    /// If the index of the key has more than 30 bits: no table has handed out such a key.
    pub(crate) fn reset(&self, key: Key) {
        let bits = key.to_bits();
        assert_eq!(bits & MARKS, 0, "the index of a key has 26 bits");
        self.key.store(bits, Ordering::Relaxed);
        self.owner.reset();
        self.join.reset_self_wakes();
    }

    /// Returns the key of the task.
    ///
    /// # Panics
    ///
    /// If no task has used the header yet.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        let bits = self.key.load(Ordering::Relaxed) & !MARKS;
        Key::from_bits(bits).expect("the header was reset for a task")
    }

    /// Marks that the task has to end, if its key is `key`. Relaxed: the caller wakes the task afterwards.
    pub(crate) fn mark_ending(&self, key: Key) {
        self.mark(key, IS_ENDING);
    }

    /// Marks that sysmon has found the task in a poll, if its key is `key`. Relaxed: the mark is a hint, and may be set late.
    pub(crate) fn mark_sampled(&self, key: Key) {
        self.mark(key, IS_SAMPLED);
    }

    fn mark(&self, key: Key, mark: u64) {
        let bits = key.to_bits();
        // Compares and sets in one step, since another task may begin to use the header at any moment. Does nothing if another task
        // uses the header already, or if the mark is set.
        let marked = |word: u64| (word & !MARKS == bits && word & mark == 0).then_some(word | mark);
        let _ = self.key.fetch_update(Ordering::Relaxed, Ordering::Relaxed, marked);
    }

    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.key.load(Ordering::Relaxed) & IS_ENDING != 0
    }

    /// Returns whether the task is marked as sampled, and removes the mark.
    #[inline]
    pub(crate) fn take_sampled(&self) -> bool {
        let is_sampled = self.key.load(Ordering::Relaxed) & IS_SAMPLED != 0;
        if is_sampled {
            self.key.fetch_and(!IS_SAMPLED, Ordering::Relaxed);
        }
        is_sampled
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
