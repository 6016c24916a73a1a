//! What runs in the model checker: the same faces, every interleaving.

use std::sync::Arc;

pub(crate) use loom::sync::MutexGuard;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// As the real one.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("a model that panics has failed already")
    }
}

/// A cell that is taken and filled by swaps, each of which sees what those before it saw.
#[derive(Debug)]
pub(crate) struct OwnerCell<T>(Mutex<Option<T>>);

impl<T> OwnerCell<T> {
    pub(crate) fn new(value: Option<T>) -> OwnerCell<T> {
        OwnerCell(Mutex::new(value))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.swap(None)
    }

    pub(crate) fn swap(&self, value: Option<T>) -> Option<T> {
        std::mem::replace(&mut self.0.lock(), value)
    }
}

/// As that of tokio: a word for one who waits, or for the next one who does. There is only one that waits.
#[derive(Debug, Default)]
pub(crate) struct Notify(Parker);

impl Notify {
    pub(crate) fn new() -> Notify {
        Notify::default()
    }

    pub(crate) fn notify_one(&self) {
        self.0.unparker().unpark();
    }

    /// A model has no executor: it stands still, at the first poll.
    pub(crate) async fn notified(&self) {
        self.wait();
    }

    pub(crate) fn wait(&self) {
        self.0.park();
    }
}

/// A parker of one token.
#[derive(Debug, Default)]
pub(crate) struct Parker(Unparker);

/// Gives the token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unparker(Arc<SlotValue>);

#[derive(Debug, Default)]
struct SlotValue {
    is_there: loom::sync::Mutex<bool>,
    came: loom::sync::Condvar,
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
        let mut is_there = token.is_there.lock().expect("a model that panics has failed already");
        while !*is_there {
            is_there = token.came.wait(is_there).expect("a model that panics has failed already");
        }
        *is_there = false;
    }

    /// Time does not pass in a model: the limit never comes.
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
        *self.0.is_there.lock().expect("a model that panics has failed already") = true;
        self.0.came.notify_one();
    }
}
