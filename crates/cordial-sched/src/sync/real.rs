//! The backend for a program: std, crossbeam and `spin_lock`.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::thread::sleep;

use std::sync::{MutexGuard, TryLockError};
use std::time::Duration;

pub(crate) use crossbeam_utils::sync::{Parker, Unparker};

pub(crate) use crate::spin_lock::SpinLock;

/// A mutex without poisoning. What it guards is consistent even after a panic of the thread that held it.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Like `lock`, but returns `None` if another thread has not released the lock after a second: because it is slow or, in a forked
    /// process, because it stayed in the parent process.
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
