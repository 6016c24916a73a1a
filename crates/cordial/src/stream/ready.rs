//! Which items want to be looked at, and who looks.
//!
//! ```text
//!  process ends ─► Bell ─┐
//!  limit passes ─► Watch ┴► ring(slot) ──► slots ──► take, by the consumer's poll
//!                                └─► wakes the consumer, if it waits
//! ```
//!
//! A slot may be rung in vain: who looks has to find out what is new. Nothing is rung often, so the list needs no bound
//! of its own: once for each attempt that ends, and at most twice for its limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use cordial_sched::wake_last;

use crate::unwind;

/// The slots that were rung since the last look.
#[derive(Default)]
pub(super) struct Ready {
    /// Whether `rung` has any; changed under the lock, read without it.
    has_any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rung: Vec<usize>,
    /// There while the consumer waits.
    consumer: Option<Waker>,
}

/// Rings for one slot.
pub(super) struct Bell {
    pub(super) ready: Arc<Ready>,
    pub(super) slot: usize,
}

impl Ready {
    pub(super) fn ring(&self, slot: usize) {
        let consumer = {
            let mut state = self.lock();
            state.rung.push(slot);
            self.has_any.store(true, Ordering::Release);
            state.consumer.take()
        };
        // Others of the stream may be about to end on this thread: the consumer then finds them all at once.
        //
        // Outside the lock: the waker is the user's. One that panics takes nobody with it, be it an item that has ended, or
        // what else is due.
        if let Some(consumer) = consumer {
            let _ = unwind::catch(|| wake_last(consumer));
        }
    }

    /// Moves what was rung into an empty list.
    pub(super) fn take(&self, rung: &mut Vec<usize>) {
        // Pairs with the store in `ring`. What is rung after this load is seen by `wait` at the latest, under the lock.
        if self.has_any.load(Ordering::Acquire) {
            let mut state = self.lock();
            std::mem::swap(&mut state.rung, rung);
            self.has_any.store(false, Ordering::Release);
        }
    }

    /// Notes who waits. Ready: there is something to take.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<()> {
        // Wakers are the user's: cloned before the lock is taken, dropped after it is released.
        let mut consumer = Some(waker.clone());
        let mut state = self.lock();
        if state.rung.is_empty() {
            std::mem::swap(&mut state.consumer, &mut consumer);
            drop(state);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.ready.ring(self.slot);
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        self.ready.ring(self.slot);
    }
}
