//! The results of tasks that have ended, in the order of their ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use cordial_sched::wake_last;

use crate::process::{Recipient, Reply};
use crate::unwind;

/// The results that the consumer has not taken.
pub(super) struct Arrivals<O>(Mutex<State<O>>);

struct State<O> {
    arrived: Vec<Arrival<O>>,
    /// `Some` while the consumer waits.
    consumer: Option<Waker>,
    /// Whether the set is gone: results are dropped.
    is_closed: bool,
}

/// The result of one task.
pub(super) struct Arrival<O> {
    pub(super) slot: usize,
    pub(super) reply: Reply<O>,
}

/// Delivers the result of one task.
pub(super) struct Delivery<O> {
    pub(super) arrivals: Arc<Arrivals<O>>,
    pub(super) slot: usize,
}

impl<O> Arrivals<O> {
    pub(super) fn new() -> Arc<Arrivals<O>> {
        Arc::new(Arrivals(Mutex::new(State { arrived: Vec::new(), consumer: None, is_closed: false })))
    }

    /// Takes all results. `batch` must be empty. Pending if there are none: then the next one wakes `waker`.
    pub(super) fn poll_take(&self, batch: &mut Vec<Arrival<O>>, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if !state.arrived.is_empty() {
            std::mem::swap(&mut state.arrived, batch);
            return Poll::Ready(());
        }
        if state.consumer.as_ref().is_some_and(|consumer| consumer.will_wake(waker)) {
            return Poll::Pending;
        }
        drop(state);
        // A waker is user code: it is cloned and dropped without the lock.
        let consumer = waker.clone();
        let mut state = self.lock();
        if !state.arrived.is_empty() {
            std::mem::swap(&mut state.arrived, batch);
            return Poll::Ready(());
        }
        let last = state.consumer.replace(consumer);
        drop(state);
        drop(last);
        Poll::Pending
    }

    /// Drops the results that have arrived, and those that arrive later.
    pub(super) fn close(&self) {
        let (arrived, consumer) = {
            let mut state = self.lock();
            state.is_closed = true;
            (std::mem::take(&mut state.arrived), state.consumer.take())
        };
        drop(arrived);
        unwind::ignore_panic(|| drop(consumer));
    }

    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O> Recipient<O> for Delivery<O> {
    type Output = ();

    fn receive(self, reply: Reply<O>) {
        let Delivery { arrivals, slot } = self;
        let consumer = {
            let mut state = arrivals.lock();
            if state.is_closed {
                drop(state);
                drop(reply);
                return;
            }
            state.arrived.push(Arrival { slot, reply });
            state.consumer.take()
        };
        // `wake_last`: more tasks of the set may be about to end on this thread, and one poll of the consumer takes them all.
        if let Some(consumer) = consumer {
            unwind::ignore_panic(|| wake_last(consumer));
        }
    }
}
