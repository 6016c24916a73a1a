//! The notice that a shutdown was requested: given once, and awaited by any number of futures in any place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::unwind;

/// Whether a shutdown was requested, and which futures wait for that. Does not refer to its process, so that it may be awaited on
/// any thread, and after the process has ended.
#[derive(Debug, Default)]
pub(crate) struct ShutdownNotice {
    /// Written under the lock of the wakers, may be read without it.
    is_given: AtomicBool,
    /// Empty once the notice was given.
    wakers: Mutex<Slab<Waker>>,
}

/// The key of the waker that a notice keeps for one future. `None` before the first poll, and once the future has seen the notice.
#[derive(Debug, Default)]
pub(crate) struct WaiterKey(Option<usize>);

impl ShutdownNotice {
    /// Creates a notice that has been given already.
    pub(crate) fn given() -> ShutdownNotice {
        ShutdownNotice { is_given: AtomicBool::new(true), wakers: Mutex::default() }
    }

    #[inline]
    pub(crate) fn is_given(&self) -> bool {
        // `Acquire` pairs with the store in `give`: a process that sees the notice sees what was done before the request.
        self.is_given.load(Ordering::Acquire)
    }

    /// Gives the notice and wakes all that wait for it. Must not be called under a lock, because it runs user wakers.
    pub(crate) fn give(&self) {
        let wakers = {
            let mut wakers = self.lock();
            self.is_given.store(true, Ordering::Release);
            std::mem::take(&mut *wakers)
        };
        for (_, waker) in wakers {
            // If one waker panics, the others are still called.
            unwind::ignore_panic(|| waker.wake());
        }
    }

    /// Returns `Ready` once the notice was given. Until then, keeps the waker of the last poll with this key.
    pub(crate) fn poll(&self, key: &mut WaiterKey, cx: &Context<'_>) -> Poll<()> {
        // Cloned and dropped outside of the lock, because a waker may run user code.
        let mut waker = Some(cx.waker().clone());
        let replaced = {
            let mut wakers = self.lock();
            if self.is_given() {
                key.0 = None;
                return Poll::Ready(());
            }
            match key.0 {
                Some(key) => waker.take().map(|waker| std::mem::replace(&mut wakers[key], waker)),
                None => {
                    key.0 = waker.take().map(|waker| wakers.insert(waker));
                    None
                }
            }
        };
        drop(replaced);
        Poll::Pending
    }

    /// Forgets the waker with this key.
    pub(crate) fn forget(&self, key: &mut WaiterKey) {
        let Some(key) = key.0.take() else { return };
        let waker = self.lock().try_remove(key);
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
