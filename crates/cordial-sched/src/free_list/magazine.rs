//! The free values that one thread takes and gives back without a lock.

use std::sync::Weak;

use crate::free_list::{BATCH, Depots, Recycle};

/// A magazine with this many values returns half of them.
const CAPACITY: usize = 2 * BATCH;

pub(crate) struct Magazine<T: Recycle> {
    /// The list that the magazine serves. Dangling at first.
    list: Weak<Depots<T>>,
    /// Allocated once, for `CAPACITY` values. If each batch allocated a new buffer, the buffer could have a higher address than the
    /// tasks of a burst, and the allocator could then not shrink the heap after the burst.
    pub(super) values: Vec<T>,
}

impl<T: Recycle> Magazine<T> {
    pub(crate) const fn new() -> Magazine<T> {
        Magazine { list: Weak::new(), values: Vec::new() }
    }

    /// Gives a value to the magazine of this thread. Returns it as `Err` if `serves` says that the magazine does not
    /// serve the list of the value, or if the magazine is destroyed already.
    #[inline]
    pub(super) fn give(value: T, serves: impl FnOnce(&T, &mut Magazine<T>) -> bool) -> Result<(), T> {
        let mut given = Some(value);
        // When a thread ends, this thread-local may be destroyed before others that still give values back.
        let _ = T::magazine().try_with(|magazine| {
            let mut magazine = magazine.borrow_mut();
            if given.as_ref().is_some_and(|value| serves(value, &mut magazine)) {
                magazine.values.extend(given.take());
                if magazine.values.len() >= CAPACITY {
                    magazine.return_values(BATCH);
                }
            }
        });
        given.map_or(Ok(()), Err)
    }

    /// Returns whether this magazine serves `list`. If the list that it served so far is gone, it begins to serve `list`.
    #[inline]
    pub(super) fn serves(&mut self, list: *const Depots<T>, downgrade: impl FnOnce() -> Weak<Depots<T>>) -> bool {
        std::ptr::eq(self.list.as_ptr(), list) || self.begin_to_serve(downgrade)
    }

    #[cold]
    fn begin_to_serve(&mut self, downgrade: impl FnOnce() -> Weak<Depots<T>>) -> bool {
        if self.list.strong_count() > 0 {
            return false;
        }
        self.return_values(usize::MAX);
        self.values.reserve_exact(CAPACITY);
        self.list = downgrade();
        true
    }

    /// Returns up to `n` of the oldest values to the list. Disposes of them if the list is gone, or if this is a forked
    /// process, in which the lock of the depot may never be released.
    fn return_values(&mut self, n: usize) {
        let returned = self.values.drain(..n.min(self.values.len()));
        let list = self.list.upgrade();
        match list.as_ref().filter(|list| !list.is_forked()) {
            Some(list) => list.own().lock().put(returned),
            None => returned.for_each(T::dispose),
        }
    }
}

impl<T: Recycle> Drop for Magazine<T> {
    fn drop(&mut self) {
        self.return_values(usize::MAX);
    }
}
