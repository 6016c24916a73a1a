//! The backend for the model checker loom, which runs the interleavings of the threads of a model.

use std::sync::Arc;

use loom::sync::MutexGuard;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Like `Mutex` in `real.rs`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no thread of the model has panicked")
    }

    /// Never `None`, because time does not pass in a model.
    pub(crate) fn lock_for_a_second(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }
}

/// Stands for `SpinLock` in `spin_lock.rs`, since loom has no spin lock.
#[derive(Debug, Default)]
pub(crate) struct SpinLock<T>(loom::sync::Mutex<T>);

impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> SpinLock<T> {
        SpinLock(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no thread of the model has panicked")
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }

    /// Never `None`, because time does not pass in a model.
    pub(crate) fn lock_for_a_second(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
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
        let mut has_token = token.has_token.lock().expect("no thread of the model has panicked");
        while !*has_token {
            has_token = token.is_set.wait(has_token).expect("no thread of the model has panicked");
        }
        *has_token = false;
    }

    /// Never reaches the limit, because time does not pass in a model.
    pub(crate) fn park_timeout(&self, _limit: std::time::Duration) {
        self.park();
    }

    /// Never reaches the deadline, for the same reason.
    pub(crate) fn park_deadline(&self, _deadline: std::time::Instant) {
        self.park();
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        *self.0.has_token.lock().expect("no thread of the model has panicked") = true;
        self.0.is_set.notify_one();
    }
}
