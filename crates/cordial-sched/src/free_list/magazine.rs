//! The values that one thread takes and gives back without a lock.

use std::sync::Weak;

use crate::free_list::{BATCH, Recycle, Shards};

pub(crate) struct Magazine<T: Recycle> {
    /// The list that it serves. Dangling at first.
    list: Weak<Shards<T>>,
    pub(super) values: Vec<T>,
}

impl<T: Recycle> Magazine<T> {
    pub(crate) const fn new() -> Magazine<T> {
        Magazine { list: Weak::new(), values: Vec::new() }
    }

    /// Gives a value to the magazine of this thread, if that `serves` its list. `Err` if it serves another one, or is gone.
    #[inline]
    pub(super) fn give(value: T, serves: impl FnOnce(&T, &mut Magazine<T>) -> bool) -> Result<(), T> {
        let mut given = Some(value);
        // Where the thread ends, its magazine is gone before its last tasks are.
        let _ = T::magazine().try_with(|magazine| {
            let mut magazine = magazine.borrow_mut();
            if given.as_ref().is_some_and(|value| serves(value, &mut magazine)) {
                magazine.values.extend(given.take());
                if magazine.values.len() >= 2 * BATCH {
                    magazine.return_values(BATCH);
                }
            }
        });
        given.map_or(Ok(()), Err)
    }

    /// Whether this magazine serves `list`. It does from now on if the list that it served is gone.
    #[inline]
    pub(super) fn serves(&mut self, list: *const Shards<T>, downgrade: impl FnOnce() -> Weak<Shards<T>>) -> bool {
        std::ptr::eq(self.list.as_ptr(), list) || self.begin_to_serve(downgrade)
    }

    #[cold]
    fn begin_to_serve(&mut self, downgrade: impl FnOnce() -> Weak<Shards<T>>) -> bool {
        if self.list.strong_count() > 0 {
            return false;
        }
        self.return_values(usize::MAX);
        self.list = downgrade();
        true
    }

    /// Returns the values that have been here for longest, up to `n`, to the list, or disposes of them if that is gone.
    fn return_values(&mut self, n: usize) {
        let returned = self.values.drain(..n.min(self.values.len()));
        match self.list.upgrade() {
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
