//! What has happened to the items since the consumer looked last, and who looks.
//!
//! ```text
//!  process ends ─► Addressee ─► answer(slot) ─┐
//!  limit passes ─► Watch ─────► ring(slot) ───┴─► lists ──► take, by the consumer's poll
//!                                             └─► wakes the consumer, if it waits
//! ```
//!
//! A slot may be rung in vain: who looks has to find out what is new. The lists need no bound of their own: there is one
//! answer for each attempt that is awaited, which the stream bounds, and it rings at most twice for a limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use cordial_sched::wake_last;

use crate::process::{Recipient, Reply, discard};
use crate::unwind;

/// Rings for a slot.
pub(super) trait Ring: Send + Sync {
    fn ring(&self, slot: usize);
}

/// What has happened since the last look.
pub(super) struct Ready<O> {
    /// Whether there is any; changed under the lock, read without it.
    has_any: AtomicBool,
    state: Mutex<State<O>>,
}

struct State<O> {
    news: News<O>,
    /// There while the consumer waits.
    consumer: Option<Waker>,
    /// Attempts that were abandoned and have not ended.
    forgotten: Vec<u64>,
    /// Nobody will look any more.
    is_closed: bool,
}

/// What a look finds.
pub(super) struct News<O> {
    pub(super) answers: Vec<Answer<O>>,
    /// Slots that were rung.
    pub(super) rung: Vec<usize>,
}

/// How an attempt has ended. The slot may belong to another one by now.
pub(super) struct Answer<O> {
    pub(super) slot: usize,
    pub(super) attempt: u64,
    pub(super) reply: Reply<O>,
}

/// Passes the answer of an attempt on.
pub(super) struct Addressee<O> {
    pub(super) ready: Arc<Ready<O>>,
    pub(super) slot: usize,
    pub(super) attempt: u64,
}

impl<O> Default for News<O> {
    fn default() -> News<O> {
        News { answers: Vec::new(), rung: Vec::new() }
    }
}

impl<O> Default for Ready<O> {
    fn default() -> Ready<O> {
        let state = State { news: News::default(), consumer: None, forgotten: Vec::new(), is_closed: false };
        Ready { has_any: AtomicBool::new(false), state: Mutex::new(state) }
    }
}

impl<O> Ready<O> {
    /// Whether there is something to take. What comes after this is seen by `poll` at the latest, under the lock.
    pub(super) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Relaxed)
    }

    /// Moves what has happened into empty lists.
    pub(super) fn take(&self, news: &mut News<O>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.news, news);
        self.has_any.store(false, Ordering::Relaxed);
    }

    /// Notes who waits. Ready: there is something to take.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<()> {
        // Wakers are the user's: cloned before the lock is taken, dropped after it is released.
        let mut consumer = Some(waker.clone());
        let mut state = self.lock();
        if state.news.answers.is_empty() && state.news.rung.is_empty() {
            std::mem::swap(&mut state.consumer, &mut consumer);
            drop(state);
            consumer.into_iter().for_each(discard);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(())
    }

    /// Nobody will look any more: answers are for nobody.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let unseen = std::mem::take(&mut state.news);
        let consumer = state.consumer.take();
        drop(state);
        drop(unseen);
        consumer.into_iter().for_each(discard);
    }

    /// Nobody waits for this attempt any more: its answer is dropped as soon as it comes, or now.
    pub(super) fn forget(&self, attempt: u64) {
        let mut state = self.lock();
        let answers = &mut state.news.answers;
        let place = answers.iter().position(|answer| answer.attempt == attempt);
        let late = place.map(|place| answers.remove(place));
        if late.is_none() {
            state.forgotten.push(attempt);
        }
        drop(state);
        drop(late);
    }

    fn answer(&self, answer: Answer<O>) {
        let mut state = self.lock();
        let forgotten = state.forgotten.iter().position(|attempt| *attempt == answer.attempt);
        if let Some(place) = forgotten {
            state.forgotten.swap_remove(place);
        }
        if state.is_closed || forgotten.is_some() {
            drop(state);
            drop(answer);
            return;
        }
        state.news.answers.push(answer);
        self.note(state);
    }

    fn note(&self, mut state: MutexGuard<'_, State<O>>) {
        self.has_any.store(true, Ordering::Relaxed);
        let consumer = state.consumer.take();
        drop(state);
        // Others of the stream may be about to end on this thread: the consumer then finds them all at once.
        //
        // Outside the lock: the waker is the user's. One that panics takes nobody with it, be it an item that has ended, or
        // what else is due.
        if let Some(consumer) = consumer {
            let _ = unwind::catch(|| wake_last(consumer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send> Ring for Ready<O> {
    fn ring(&self, slot: usize) {
        let mut state = self.lock();
        if !state.is_closed {
            state.news.rung.push(slot);
            self.note(state);
        }
    }
}

impl<O> Recipient<O> for Addressee<O> {
    type Output = ();

    fn receive(self, reply: Reply<O>) {
        self.ready.answer(Answer { slot: self.slot, attempt: self.attempt, reply });
    }
}
