//! The backend for a program: std, crossbeam and try-lock.

pub(crate) use std::sync::MutexGuard;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::thread::sleep;

use std::sync::TryLockError;
use std::time::Duration;

pub(crate) use crossbeam_utils::sync::{Parker, Unparker};

use try_lock::TryLock;

/// A cell for threads that have agreed by other means that only one of them uses it at a time. No access waits.
///
/// Not an `AtomicCell`, which moves a pointer through an integer: what is read back has lost its provenance, and using it is
/// undefined behavior.
#[derive(Debug)]
pub(crate) struct OwnerCell<T>(TryLock<Option<T>>);

impl<T> OwnerCell<T> {
    pub(crate) fn empty() -> OwnerCell<T> {
        OwnerCell(TryLock::new(None))
    }

    /// Fills the cell, which is empty.
    ///
    /// # Panics
    ///
    /// If another thread uses the cell at the same time.
    #[inline]
    pub(crate) fn fill(&self, value: T) {
        *self.0.try_lock().expect(ONE_AT_A_TIME) = Some(value);
    }

    /// Empties the cell.
    ///
    /// # Panics
    ///
    /// If another thread uses the cell at the same time.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        self.0.try_lock().expect(ONE_AT_A_TIME).take()
    }
}

const ONE_AT_A_TIME: &str = "one thread at a time uses the cell";

/// A mutex without poisoning: no code that can panic runs under a lock of this crate.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Like `lock`, but returns `None` if another thread has not released the lock after a second. This happens in a forked process:
    /// a thread that stayed in the parent process may have held the lock.
    pub(crate) fn lock_for_a_second(&self) -> Option<MutexGuard<'_, T>> {
        (0..TRIES).find_map(|_| match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => {
                sleep(PAUSE);
                None
            }
        })
    }
}

/// The pause between two tries to lock, and the number of tries.
const PAUSE: Duration = Duration::from_millis(1);
const TRIES: usize = 1000;
