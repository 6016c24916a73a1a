//! The backend for a program: std and crossbeam.

pub(crate) use std::sync::MutexGuard;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::thread::sleep;

pub(crate) use crossbeam_utils::sync::{Parker, Unparker};

/// A cell whose value is exchanged in one step (AcqRel). Lock-free for a value of one word.
pub(crate) type OwnerCell<T> = crossbeam_utils::atomic::AtomicCell<Option<T>>;

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
}
