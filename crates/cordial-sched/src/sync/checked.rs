//! The backend for the model checker loom, which runs every interleaving of the threads of a model.

use std::sync::Arc;

pub(crate) use loom::sync::MutexGuard;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Like `Mutex` in `real.rs`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("a model that panics has failed already")
    }

    /// Never `None`, because time does not pass in a model.
    pub(crate) fn lock_for_a_second(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }
}

/// Like `OwnerCell` in `real.rs`: the flag is that of `TryLock`, with the same orderings.
#[derive(Debug)]
pub(crate) struct OwnerCell<T> {
    is_locked: AtomicBool,
    value: std::sync::Mutex<Option<T>>,
}

impl<T> OwnerCell<T> {
    pub(crate) fn empty() -> OwnerCell<T> {
        OwnerCell { is_locked: AtomicBool::new(false), value: std::sync::Mutex::new(None) }
    }

    pub(crate) fn fill(&self, value: T) {
        self.exchange(Some(value));
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.exchange(None)
    }

    fn exchange(&self, value: Option<T>) -> Option<T> {
        assert!(!self.is_locked.swap(true, Ordering::Acquire), "one thread at a time uses the cell");
        let mut cell = self.value.lock().expect("a model that panics has failed already");
        let before = std::mem::replace(&mut *cell, value);
        // The model checker changes to another thread only in its own operations, so this lock is never waited for.
        drop(cell);
        self.is_locked.store(false, Ordering::Release);
        before
    }
}

/// Lets the other threads run: time does not pass in a model.
pub(crate) fn sleep(_: std::time::Duration) {
    loom::thread::yield_now();
}

/// Blocks its thread until there is a token.
#[derive(Debug, Default)]
pub(crate) struct Parker(Unparker);

/// Sets the token of a parker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unparker(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    has_token: loom::sync::Mutex<bool>,
    is_set: loom::sync::Condvar,
}

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker::default()
    }

    pub(crate) fn unparker(&self) -> &Unparker {
        &self.0
    }

    pub(crate) fn park(&self) {
        let Unparker(token) = &self.0;
        let mut has_token = token.has_token.lock().expect("a model that panics has failed already");
        while !*has_token {
            has_token = token.is_set.wait(has_token).expect("a model that panics has failed already");
        }
        *has_token = false;
    }

    /// Never reaches the limit, because time does not pass in a model.
    pub(crate) fn park_timeout(&self, _limit: std::time::Duration) {
        self.park();
    }

    /// As `park_timeout`.
    pub(crate) fn park_deadline(&self, _deadline: std::time::Instant) {
        self.park();
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        *self.0.has_token.lock().expect("a model that panics has failed already") = true;
        self.0.is_set.notify_one();
    }
}
