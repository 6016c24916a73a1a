//! The queue in which the processes of a stream deliver their replies, and through which the consumer is woken.
//!
//! ```text
//!  a process ends ──────────► CompletionSender ─► reply ─────────┐
//!  abandoned, or backoff over ──► Deadlines ────► notify(slot) ──┴─► CompletionBatch ──► take, in the poll of the consumer
//!                                                                └─► wakes the consumer, if it waits
//! ```
//!
//! A notification can be spurious: the consumer looks at the slot to find out what has changed. The lists need no bound of
//! their own: attempts start only in the poll of the consumer, which takes the batch first, and `max_concurrency` bounds
//! how many run. `abandoned` has one entry for each process whose poll is still stuck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use cordial_sched::wake_last;

use crate::process::{ProcessReply, Recipient, discard, discard_in_turn};
use crate::unwind;

/// Adds a notification about a slot, and wakes the consumer.
pub(super) trait NotifySlot: Send + Sync {
    fn notify(&self, slot: usize);
}

/// The completion queue of one stream. `O` is the output of an item.
pub(super) struct Completions<O> {
    /// Set when an entry is added, cleared by `take`; `true` may be stale. Written under the lock, read without it.
    has_entries: AtomicBool,
    state: Mutex<QueueState<O>>,
    /// Drops replies. A function pointer that `new` stores, because only `new` has the bound `O: 'static`: `close` is called by the
    /// destructor of a stream, which cannot have that bound.
    drop_replies: fn(Vec<AttemptReply<O>>),
}

struct QueueState<O> {
    batch: CompletionBatch<O>,
    /// `Some` while the consumer waits.
    consumer: Option<Waker>,
    /// Abandoned attempts that have not ended. Their replies are dropped when they arrive.
    abandoned: Vec<u64>,
    /// After `close`: all replies are dropped.
    is_closed: bool,
}

/// What was delivered since the consumer took the last batch.
pub(super) struct CompletionBatch<O> {
    pub(super) replies: Vec<AttemptReply<O>>,
    pub(super) notified_slots: Vec<usize>,
}

/// The reply of the process of one attempt. When the consumer takes the reply, the slot may be
/// empty or belong to another attempt, because the item was cancelled.
pub(super) struct AttemptReply<O> {
    pub(super) slot: usize,
    pub(super) attempt: u64,
    pub(super) reply: ProcessReply<O>,
}

/// Sends the reply of one attempt.
pub(super) struct CompletionSender<O> {
    pub(super) completions: Arc<Completions<O>>,
    pub(super) slot: usize,
    pub(super) attempt: u64,
}

impl<O> Default for CompletionBatch<O> {
    fn default() -> CompletionBatch<O> {
        CompletionBatch { replies: Vec::new(), notified_slots: Vec::new() }
    }
}

impl<O: 'static> Completions<O> {
    pub(super) fn new() -> Completions<O> {
        let state =
            QueueState { batch: CompletionBatch::default(), consumer: None, abandoned: Vec::new(), is_closed: false };
        // In turn, because a reply may hold another stream.
        Completions { has_entries: AtomicBool::new(false), state: Mutex::new(state), drop_replies: discard_in_turn }
    }
}

impl<O> Completions<O> {
    /// Returns whether there may be entries. `Relaxed` is enough: the consumer waits only after
    /// `poll`, which takes the lock and finds an entry that this load misses.
    pub(super) fn has_entries(&self) -> bool {
        self.has_entries.load(Ordering::Relaxed)
    }

    /// Takes all entries. `batch` must be empty.
    pub(super) fn take(&self, batch: &mut CompletionBatch<O>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.batch, batch);
        self.has_entries.store(false, Ordering::Relaxed);
    }

    /// Returns `Ready` if there are entries. Otherwise the next entry wakes `waker`.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<()> {
        // A waker is user code: it is cloned before the lock is taken, and dropped after the lock is released.
        let mut consumer = Some(waker.clone());
        let mut state = self.lock();
        if state.batch.replies.is_empty() && state.batch.notified_slots.is_empty() {
            std::mem::swap(&mut state.consumer, &mut consumer);
            drop(state);
            consumer.into_iter().for_each(discard);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(())
    }

    /// Closes the queue: replies that were not taken, and those that arrive later, are dropped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let batch = std::mem::take(&mut state.batch);
        let consumer = state.consumer.take();
        drop(state);
        if !batch.replies.is_empty() {
            (self.drop_replies)(batch.replies);
        }
        consumer.into_iter().for_each(discard);
    }

    /// Drops the reply of an abandoned attempt: now if it has arrived, otherwise when it arrives.
    pub(super) fn abandon(&self, attempt: u64) {
        let mut state = self.lock();
        let replies = &mut state.batch.replies;
        let arrived = replies.iter().position(|reply| reply.attempt == attempt);
        let arrived = arrived.map(|position| replies.remove(position));
        if arrived.is_none() {
            state.abandoned.push(attempt);
        }
        drop(state);
        drop(arrived);
    }

    #[inline]
    fn push(&self, slot: usize, attempt: u64, reply: ProcessReply<O>) {
        let mut state = self.lock();
        let abandoned = state.abandoned.iter().position(|abandoned| *abandoned == attempt);
        if let Some(position) = abandoned {
            state.abandoned.swap_remove(position);
        }
        if state.is_closed || abandoned.is_some() {
            drop(state);
            drop(reply);
            return;
        }
        state.batch.replies.push(AttemptReply { slot, attempt, reply });
        self.wake_consumer(state);
    }

    /// Wakes the consumer after an entry was added.
    fn wake_consumer(&self, mut state: MutexGuard<'_, QueueState<O>>) {
        self.has_entries.store(true, Ordering::Relaxed);
        let consumer = state.consumer.take();
        // The waker is user code: it is called after the lock is released.
        drop(state);
        // `wake_last`: more items of the stream may be about to end on this thread, and the
        // consumer then takes their replies in one batch. A panic of the waker is caught, because
        // the caller, a process that ends or the timer, has more to do.
        if let Some(consumer) = consumer {
            let _ = unwind::catch_cold(|| wake_last(consumer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send> NotifySlot for Completions<O> {
    fn notify(&self, slot: usize) {
        let mut state = self.lock();
        if !state.is_closed {
            state.batch.notified_slots.push(slot);
            self.wake_consumer(state);
        }
    }
}

impl<O> Recipient<O> for CompletionSender<O> {
    type Output = ();

    #[inline]
    fn receive(self, reply: ProcessReply<O>) {
        self.completions.push(self.slot, self.attempt, reply);
    }
}
