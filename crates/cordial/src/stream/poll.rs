//! One poll of a stream: applies completions, starts items, pulls input, delivers a result.
//!
//! ```text
//!  poll ─► apply completions ─► start queued items ─► pull one item ─┐
//!            ▲                                                       │
//!            └──── while an item was pulled, or a reply arrives ─────┘─► deliver one result, or wait
//! ```
//!
//! During a poll, the [`ActiveStream`] is a local variable, and the state of the stream says that the stream has ended. So a panic in user code
//! (the source, a closure, a filter of a retry) drops the `ActiveStream`, which asks all running items to shut down, and leaves a stream that has
//! ended.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::active::{ActiveStream, ResultRules};
use super::async_stream::{AsyncStream, AsyncStreamProjection};
use super::completions::CompletionSender;
use super::in_flight::{Completion, SlotEvent};
use super::item_future::{ItemFuture, PollLimit};
use super::options::StreamTimeout;
use super::spawner::Spawner;
use super::try_source::SourceError;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Purpose, RuntimeHandle, Spawn, box_if_large, discard, ends_at_this_await, limits_of_new_wait};
use crate::timeout::Timeout;

/// How many results a stream delivers in a row before it returns `Pending` once. Without this bound, a consumer that always
/// finds a result would stay in one poll, on one thread, for as long as the stream lasts. The constant also bounds how many
/// retries start in one poll.
const POLL_BUDGET: usize = 16;

type Active<S, O, T, E> = Box<ActiveStream<<S as Stream>::Item, O, Result<T, E>>>;

impl<S, F, Fut, T, E, P> AsyncStreamProjection<'_, S, F, Fut::Output, T, E, P>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    P: Spawner,
{
    /// Applies all completions that have arrived. In a forked process, fails all items that wait for one.
    fn apply_completions(&mut self, active: &mut Active<S, Fut::Output, T, E>) {
        if active.in_flight.is_forked() {
            // The items have stayed in the parent process, and another thread may have held the lock of the completions.
            for slot in active.in_flight.waiting() {
                let failed = Completion::Failed(Exit::Refused(Refusal::Forked));
                self.apply(active, slot, Some(SlotEvent::Completed(failed)));
            }
            return;
        }
        if !active.in_flight.completions().has_entries() {
            return;
        }
        let mut batch = std::mem::take(&mut active.batch);
        active.in_flight.completions().take(&mut batch);
        // A reply wins over a timeout, so replies come first.
        for reply in batch.replies.drain(..) {
            let slot = reply.slot;
            let event = active.in_flight.on_reply(reply);
            self.apply(active, slot, event);
        }
        for slot in batch.notified_slots.drain(..) {
            let event = active.in_flight.on_notified(slot);
            self.apply(active, slot, event);
        }
        active.batch = batch;
    }

    fn apply(&mut self, active: &mut Active<S, Fut::Output, T, E>, slot: usize, event: Option<SlotEvent<Fut::Output>>) {
        let Some(event) = event else { return };
        let rules = ResultRules {
            options: self.options,
            into_result: *self.into_result,
            output_filter: self.output_filter.as_ref(),
            into_error: *self.into_error,
            spawned_at: self.spawned_at,
        };
        if active.apply(&rules, slot, event).is_break() {
            self.source.set(None);
            // The timeout is the last result, even if the source has failed.
            *self.source_error = None;
        }
    }

    /// Starts queued items while the spawner has capacity. `n_retries` counts the retries that this
    /// poll has started. `POLL_BUDGET` bounds them, because an item that is refused fails at once
    /// and may be retried at once.
    fn start_queued(&mut self, cx: &mut Context<'_>, active: &mut Active<S, Fut::Output, T, E>, n_retries: &mut usize) {
        if active.queue.is_empty() {
            // A timeout that ends the stream may have removed the item that waited for room. Other users of the spawner may want the room.
            self.spawner.stop_waiting();
            return;
        }
        let limits = limits_of_new_wait(self.options.timeout);
        let poll_limit =
            if limits.0 == Timeout::After(Duration::ZERO) { PollLimit::Single } else { PollLimit::Unlimited };
        while *n_retries < POLL_BUDGET
            && let Some(&slot) = active.queue.front()
            && let Poll::Ready(permit) = self.spawner.poll_ready(cx)
        {
            active.queue.pop_front();
            let item = active.in_flight.get_mut(slot);
            let mut input = item.input.take().expect("an item that is attempted again keeps a copy of its input");
            if let Some(clone_input) = self.clone_input {
                let kept;
                (input, kept) = clone_input(input);
                item.input = Some(kept);
            }
            let is_first = item.n_attempts == 0;
            let mut spawn = Spawn::new(self.spawned_at).purpose(Purpose::StreamItem);
            spawn.label = self.label.as_ref().map(|label| label(&input));
            let future = (self.f)(input);
            let sender = active.in_flight.next_attempt(slot);
            let runtime = active.in_flight.runtime();
            let started = box_if_large!(future: Fut => self.start_attempt(permit, runtime, &mut spawn, future, poll_limit, sender));
            if is_first {
                active.progress.count_start();
            } else {
                *n_retries += 1;
            }
            let event = active.in_flight.attempt_started(slot, started, &limits);
            self.apply(active, slot, event);
        }
    }

    /// Starts the process of one attempt. A function of its own, so that the stack frame of the caller does not hold a second
    /// copy of a large future.
    fn start_attempt<A>(
        &mut self,
        permit: P::Permit,
        runtime: &RuntimeHandle,
        spawn: &mut Spawn,
        future: A,
        poll_limit: PollLimit,
        sender: CompletionSender<A::Output>,
    ) -> Result<Pid, Refusal>
    where
        A: Future + Send + 'static,
        A::Output: Send + 'static,
    {
        self.spawner.spawn(permit, runtime, spawn, ItemFuture::new(future, poll_limit), sender)
    }

    /// Pulls one item from the source, if an item could start now. Returns whether the source had one.
    fn pull(&mut self, cx: &mut Context<'_>, active: &mut Active<S, Fut::Output, T, E>) -> bool {
        if active.queue.is_empty()
            && active.window.may_start()
            && let Some(source) = self.source.as_mut().as_pin_mut()
        {
            match source.poll_next(cx) {
                Poll::Ready(Some(input)) => {
                    active.enqueue(input);
                    return true;
                }
                Poll::Ready(None) => self.source.set(None),
                Poll::Pending => {}
            }
        }
        false
    }

    /// Goes on until there is a result, or nothing to do.
    fn poll_active(
        &mut self,
        cx: &mut Context<'_>,
        active: &mut Active<S, Fut::Output, T, E>,
    ) -> Poll<Option<Result<T, E>>> {
        let mut has_pulled = false;
        let mut n_retries = 0;
        loop {
            self.apply_completions(active);
            self.start_queued(cx, active, &mut n_retries);
            // While a result is ready, the source is polled at most once, since a source that blocks delays the result.
            if !(has_pulled && active.window.has_next()) && self.pull(cx, active) {
                has_pulled = true;
                continue;
            }
            if active.n_delivered_in_row == POLL_BUDGET && active.window.has_next() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(result) = active.window.deliver() {
                if result.is_err() && ends_at_this_await(cx) {
                    // A process that has to end does not see the failure.
                    discard(result);
                    return Poll::Pending;
                }
                active.n_delivered_in_row += 1;
                return Poll::Ready(Some(result));
            }
            if active.window.n_held() == 0 && self.source.is_none() {
                let Some((error, no_input)) =
                    self.source_error.take().and_then(|error| Some((error.take()?, error.no_input)))
                else {
                    return Poll::Ready(None);
                };
                return Poll::Ready(Some(Err((self.into_error)(active.window.n_started(), Some(no_input()), error))));
            }
            if n_retries == POLL_BUDGET {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // In a forked process, the stream waits for its source only.
            if active.in_flight.is_forked() || active.in_flight.completions().poll(cx.waker()).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<S, F, Fut, T, E, P> Stream for AsyncStream<S, F, Fut::Output, T, E, P>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    P: Spawner,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        if ends_at_this_await(cx) {
            return Poll::Pending;
        }
        let mut this = self.project();
        let mut active = match this.state.active.take() {
            Some(active) => active,
            None if std::mem::replace(&mut this.state.was_polled, true) => return Poll::Ready(None),
            None => {
                let n_items = this.source.as_ref().as_pin_ref().and_then(|source| exact_size(&*source));
                let progress = this.progress.clone();
                Box::new(ActiveStream::new(this.options, progress, this.spawner, this.spawned_at, n_items))
            }
        };
        let polled = this.poll_active(cx, &mut active);
        if matches!(polled, Poll::Ready(None)) {
            return polled;
        }
        if polled.is_pending() {
            active.n_delivered_in_row = 0;
        }
        active.progress.set_buffered(active.window.n_finished());
        this.state.active = Some(active);
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.state.has_ended() {
            return (0, Some(0));
        }
        let n_held = self.state.active.as_ref().map_or(0, |active| active.window.n_held());
        let (lower, upper) = self.source.as_ref().map_or((0, Some(0)), Stream::size_hint);
        // The error of a source that has ended is one more result.
        let n_held = n_held + usize::from(self.source_error.as_ref().is_some_and(SourceError::is_some));
        let lower = match self.options.on_timeout {
            StreamTimeout::KillTask => lower.saturating_add(n_held),
            // The next result may be the last one.
            StreamTimeout::EndStream => n_held.min(1),
        };
        (lower, upper.and_then(|upper| upper.checked_add(n_held)))
    }
}

impl<S, F, Fut, T, E, P> FusedStream for AsyncStream<S, F, Fut::Output, T, E, P>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    P: Spawner,
{
    fn is_terminated(&self) -> bool {
        self.state.has_ended()
    }
}

/// Returns how many items a source has, if it says so.
fn exact_size(source: &impl Stream) -> Option<usize> {
    let (lower, upper) = source.size_hint();
    upper.filter(|upper| *upper == lower)
}
