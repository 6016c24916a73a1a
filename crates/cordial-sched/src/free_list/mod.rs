//! A free list: values that are not in use, kept to be used again.
//!
//! ```text
//!  take ◄── magazine of the thread ◄── up to 32 ── depot of the thread ◄── half of another depot, or new values
//!  give ──► magazine of the thread ── 32, once it has 64 ──► depot of the thread
//! ```
//!
//! Most values come and go through the magazine of the calling thread, without a lock. A thread has one magazine for
//! each kind of value, and the magazine serves one free list at a time: the first list that the
//! thread uses, until that list is gone. For other lists the thread uses the depots directly. The
//! magazine returns its values when its thread ends. If its list is gone, it disposes of them when
//! its thread ends or when it begins to serve another list.
//!
//! A list has several depots, each under its own lock, so that threads do not contend for one; `shard` says which of them a
//! thread uses.
//!
//! `mod` and `magazine` are a cycle of two files: a magazine returns its values to the depots.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::thread::LocalKey;

use crossbeam_utils::CachePadded;

use self::depot::Depot;
pub(crate) use self::magazine::Magazine;
pub use self::shard::shard_of_this_thread;
use crate::sync::Mutex;

mod depot;
mod magazine;
mod shard;

/// How many values move at once between a magazine and a depot, at most. A thread that ends returns all values of its magazine at once.
pub(crate) const BATCH: usize = 32;

/// A kind of value that free lists keep.
pub(crate) trait Recycle: Sized + 'static {
    /// Returns the magazines for this kind of value, one for each thread.
    fn magazine() -> &'static LocalKey<RefCell<Magazine<Self>>>;

    /// Disposes of a value whose free list is gone, that was not used for long, or that a magazine returns in a forked process. Runs no
    /// user code.
    fn dispose(self);
}

/// The free values of one owner. Those in depots are disposed of together with the list, those in magazines later.
pub(crate) struct FreeList<T: Recycle> {
    depots: Arc<Depots<T>>,
}

/// Gives values back to a free list, without keeping the list alive.
pub(crate) struct FreeListRef<T: Recycle> {
    depots: Weak<Depots<T>>,
    has_magazines: bool,
}

struct Depots<T: Recycle> {
    depots: Box<[CachePadded<Mutex<Depot<T>>>]>,
    /// Notices a fork. `None` in a model of loom, which has no processes.
    fork_guard: Option<forkguard::Guard>,
}

impl<T: Recycle> FreeList<T> {
    /// Makes an empty list with this many depots: about one for each thread that will use the list.
    pub(crate) fn new(depots: usize) -> FreeList<T> {
        let depots = (0..depots.max(1)).map(|_| CachePadded::default()).collect();
        let fork_guard = (!cfg!(cordial_loom)).then(forkguard::new);
        FreeList { depots: Arc::new(Depots { depots, fork_guard }) }
    }

    pub(crate) fn downgrade(&self) -> FreeListRef<T> {
        FreeListRef { depots: Arc::downgrade(&self.depots), has_magazines: true }
    }

    /// Like [`downgrade`](FreeList::downgrade), but values are given back to the depots, not to magazines.
    pub(crate) fn downgrade_without_magazines(&self) -> FreeListRef<T> {
        FreeListRef { depots: Arc::downgrade(&self.depots), has_magazines: false }
    }

    /// Takes a free value or, if there is none in the depots and in the magazine of this thread, a value that `make` returns.
    /// `make` returns at least one value, or `None` if no more can be made.
    pub(crate) fn take(&self, make: impl Fn() -> Option<Vec<T>>) -> Option<T> {
        let from_magazine = T::magazine().try_with(|magazine| {
            let mut magazine = magazine.borrow_mut();
            if !magazine.serves(Arc::as_ptr(&self.depots), || Arc::downgrade(&self.depots)) {
                return None;
            }
            if magazine.values.is_empty() {
                self.depots.take_batch(&mut magazine.values, &make);
            }
            magazine.values.pop()
        });
        match from_magazine {
            Ok(Some(value)) => Some(value),
            // The magazine serves another list, or is destroyed because the thread ends, or no more values can be made.
            _ => self.take_without_magazine(make),
        }
    }

    /// Like [`take`](FreeList::take), but never from a magazine: which value is next does not depend on what else the thread
    /// does.
    pub(crate) fn take_without_magazine(&self, make: impl Fn() -> Option<Vec<T>>) -> Option<T> {
        let mut batch = Vec::new();
        self.depots.take_batch(&mut batch, &make);
        let value = batch.pop();
        self.depots.own().lock().put(batch);
        value
    }

    /// Makes room for `n` values in each depot, so that giving them back allocates nothing. An allocation that is made at the end of a
    /// burst and stays would keep the allocator from returning the memory of the burst to the system.
    pub(crate) fn reserve(&self, n: usize) {
        for depot in &self.depots.depots {
            depot.lock().reserve(n);
        }
    }

    /// Gives a value back.
    pub(crate) fn give(&self, value: T) {
        let depots = &self.depots;
        let given =
            Magazine::give(value, |_, magazine| magazine.serves(Arc::as_ptr(depots), || Arc::downgrade(depots)));
        if let Err(value) = given {
            self.depots.own().lock().put([value]);
        }
    }

    /// Disposes of idle values: of those that have stayed in their depot since the previous call. Stops when `is_quiet`, which is
    /// called before each batch, returns `false`: the rest waits for the next call.
    ///
    /// Called when the owner is idle.
    pub(crate) fn trim(&self, is_quiet: impl Fn() -> bool) {
        for depot in &self.depots.depots {
            depot.lock().begin_trim();
        }
        for depot in &self.depots.depots {
            let mut is_done = false;
            while !is_done && is_quiet() {
                let idle = depot.lock().take_idle(BATCH);
                is_done = idle.is_empty();
                // Disposed of after the lock is released.
                idle.into_iter().for_each(T::dispose);
            }
        }
    }

    /// Returns how many free values there are, not counting those in magazines.
    pub(crate) fn len(&self) -> usize {
        self.depots.depots.iter().map(|depot| depot.lock().len()).sum()
    }
}

impl<T: Recycle> FreeListRef<T> {
    /// Gives a value back to the list that `list_of` returns for it, or disposes of the value if that list is gone.
    #[inline]
    pub(crate) fn give(value: T, list_of: fn(&T) -> &FreeListRef<T>) {
        let value = if list_of(&value).has_magazines {
            Magazine::give(value, |value, magazine| {
                let list = &list_of(value).depots;
                magazine.serves(list.as_ptr(), || list.clone())
            })
        } else {
            Err(value)
        };
        if let Err(value) = value {
            match list_of(&value).depots.upgrade() {
                Some(depots) => depots.own().lock().put([value]),
                None => value.dispose(),
            }
        }
    }
}

impl<T: Recycle> Depots<T> {
    /// Returns whether this is a forked process, and the list was made before the fork. A thread that stayed in the parent process may
    /// have held the lock of a depot at the fork.
    fn is_forked(&self) -> bool {
        // A guard reports a fork once, so a copy is asked.
        self.fork_guard.as_ref().is_some_and(|guard| guard.clone().detected_fork())
    }

    fn own(&self) -> &Mutex<Depot<T>> {
        &self.depots[shard_of_this_thread(self.depots.len())]
    }

    /// Moves up to `BATCH` values into `batch`, which is empty: from the depot of this thread, else from another depot, else
    /// new values. `batch` stays empty if there are no values and no more can be made.
    fn take_batch(&self, batch: &mut Vec<T>, make: &impl Fn() -> Option<Vec<T>>) {
        batch.extend(self.own().lock().take(BATCH));
        if !batch.is_empty() {
            return;
        }
        let mut found = self.half_of_another().or_else(make).unwrap_or_default();
        batch.extend(found.drain(found.len().saturating_sub(BATCH)..));
        if !found.is_empty() {
            self.own().lock().put(found);
        }
    }

    /// Takes half of the values of another depot. Values that one thread takes and another gives back
    /// return in this way.
    fn half_of_another(&self) -> Option<Vec<T>> {
        let own = shard_of_this_thread(self.depots.len());
        (1..self.depots.len()).find_map(|step| {
            let half = self.depots[(own + step) % self.depots.len()].lock().take_half();
            (!half.is_empty()).then_some(half)
        })
    }
}

impl<T: Recycle> Drop for Depots<T> {
    fn drop(&mut self) {
        for depot in &self.depots {
            let values: Vec<T> = depot.lock().take(usize::MAX).collect();
            values.into_iter().for_each(T::dispose);
        }
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
