//! The results of tasks that have ended, in the order of their ends.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use cordial_sched::wake_last;

use crate::process::{GroupCounters, GroupCounts, ProcessReply, Recipient, discard_in_turn};
use crate::unwind;

/// The results that the consumer has not taken.
pub(super) struct ResultQueue<O> {
    state: Mutex<QueuedResults<O>>,
    /// Only the set writes it.
    n_spawned: AtomicUsize,
    /// Results that the consumer has in its batch. Only the set writes it.
    n_in_batch: AtomicUsize,
    /// Drops results. A function pointer that `new` stores, because only `new` has the bound `O: 'static`: `close` is called by
    /// the destructor of a set, which cannot have it.
    drop_results: fn(Vec<TaskResult<O>>),
}

struct QueuedResults<O> {
    results: Vec<TaskResult<O>>,
    /// `Some` while the consumer waits.
    consumer: Option<Waker>,
    /// Whether the set is gone: results are dropped.
    is_closed: bool,
    n_ended: usize,
    n_failed: usize,
}

/// The result of one task.
pub(super) struct TaskResult<O> {
    pub(super) slot: usize,
    pub(super) reply: ProcessReply<O>,
}

/// Delivers the result of one task.
pub(super) struct ResultSender<O> {
    pub(super) queue: Arc<ResultQueue<O>>,
    pub(super) slot: usize,
}

impl<O: 'static> ResultQueue<O> {
    pub(super) fn new() -> Arc<ResultQueue<O>> {
        let state = QueuedResults { results: Vec::new(), consumer: None, is_closed: false, n_ended: 0, n_failed: 0 };
        Arc::new(ResultQueue {
            state: Mutex::new(state),
            n_spawned: AtomicUsize::new(0),
            n_in_batch: AtomicUsize::new(0),
            // In turn, because a result may hold another set.
            drop_results: discard_in_turn,
        })
    }
}

impl<O> ResultQueue<O> {
    /// Moves all results into `batch`, which must be empty. `Pending` if there are none: then the next result wakes `waker`.
    pub(super) fn poll_take(&self, batch: &mut Vec<TaskResult<O>>, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if !state.results.is_empty() {
            std::mem::swap(&mut state.results, batch);
            return Poll::Ready(());
        }
        if state.consumer.as_ref().is_some_and(|consumer| consumer.will_wake(waker)) {
            return Poll::Pending;
        }
        drop(state);
        // A waker is user code: it is cloned and dropped without the lock.
        let consumer = waker.clone();
        let mut state = self.lock();
        if !state.results.is_empty() {
            std::mem::swap(&mut state.results, batch);
            return Poll::Ready(());
        }
        let last = state.consumer.replace(consumer);
        drop(state);
        drop(last);
        Poll::Pending
    }

    /// Counts a task that was spawned.
    pub(super) fn count_spawn(&self) {
        self.n_spawned.store(self.n_spawned.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Records how many results the consumer has taken and not passed on.
    pub(super) fn set_in_batch(&self, n: usize) {
        self.n_in_batch.store(n, Ordering::Relaxed);
    }

    /// Drops the results that have arrived, those in `batch`, and those that arrive later.
    pub(super) fn close(&self, batch: Vec<TaskResult<O>>) {
        let (arrived, consumer) = {
            let mut state = self.lock();
            state.is_closed = true;
            (std::mem::take(&mut state.results), state.consumer.take())
        };
        for results in [batch, arrived] {
            if !results.is_empty() {
                (self.drop_results)(results);
            }
        }
        unwind::ignore_panic(|| drop(consumer));
    }

    fn lock(&self) -> MutexGuard<'_, QueuedResults<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send> GroupCounters for ResultQueue<O> {
    fn counts(&self) -> GroupCounts {
        let started = self.n_spawned.load(Ordering::Relaxed);
        let state = self.lock();
        GroupCounts {
            started,
            running: started.saturating_sub(state.n_ended),
            succeeded: state.n_ended - state.n_failed,
            failed: state.n_failed,
            buffered: state.results.len() + self.n_in_batch.load(Ordering::Relaxed),
            ..GroupCounts::default()
        }
    }
}

impl<O> fmt::Debug for ResultQueue<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultQueue").field("n_spawned", &self.n_spawned).finish_non_exhaustive()
    }
}

impl<O> Recipient<O> for ResultSender<O> {
    type Output = ();

    fn receive(self, reply: ProcessReply<O>) {
        let ResultSender { queue, slot } = self;
        let consumer = {
            let mut state = queue.lock();
            if state.is_closed {
                drop(state);
                drop(reply);
                return;
            }
            state.n_ended += 1;
            state.n_failed += usize::from(reply.is_failure());
            state.results.push(TaskResult { slot, reply });
            state.consumer.take()
        };
        // `wake_last`: more tasks of the set may be about to end on this thread, and one poll of the consumer takes them all.
        if let Some(consumer) = consumer {
            unwind::ignore_panic(|| wake_last(consumer));
        }
    }
}
