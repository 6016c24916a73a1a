//! The items in flight, the window of their results, and the counters of a stream that was polled and has not ended.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::Location;
use std::time::Duration;

use super::completions::CompletionBatch;
use super::in_flight::{Completion, InFlight, RetryStart, SlotEvent};
use super::options::{Order, StreamOptions, StreamTimeout};
use super::progress::Progress;
use super::retry::{OutputFilter, Retry};
use super::spawner::Spawner;
use super::window::Window;
use crate::exit::{Exit, Refusal, TimedOut};
use crate::process::{Group, GroupKey, GroupKind, current, current_runtime, is_ended_by_signal};
use crate::telemetry;
use crate::unwind::ignore_panic;

/// The state of a stream: not polled yet, active, or ended.
pub(super) struct StreamState<I, O, R> {
    /// `None` before the first poll, after the end, and during a poll.
    pub(super) active: Option<Box<ActiveStream<I, O, R>>>,
    pub(super) was_polled: bool,
}

impl<I, O, R> StreamState<I, O, R> {
    pub(super) const NOT_POLLED: StreamState<I, O, R> = StreamState { active: None, was_polled: false };

    pub(super) fn has_ended(&self) -> bool {
        self.active.is_none() && self.was_polled
    }
}

/// A stream that was polled and has not ended. Dropping it asks all running items to shut down,
/// unless `items_outlive_consumer` is set and an exit signal ended the consumer.
pub(super) struct ActiveStream<I, O, R> {
    pub(super) in_flight: InFlight<I, O>,
    pub(super) window: Window<R>,
    /// Slots of queued items, in the order in which they start.
    pub(super) queue: VecDeque<usize>,
    /// Kept to reuse its allocations. Empty between polls.
    pub(super) batch: CompletionBatch<O>,
    /// How many results were delivered since the last poll that returned `Pending`.
    pub(super) n_delivered_in_row: usize,
    pub(super) progress: Progress,
    /// Whether running items continue when an exit signal ends the process that consumes the stream.
    items_outlive_consumer: bool,
    /// The key of the stream in the runtime's list of streams. `None` if the stream began in a forked process.
    key: Option<GroupKey>,
}

/// The options and functions with which a stream turns a completion into a result.
pub(super) struct ResultRules<'a, I, O, T, E> {
    pub(super) options: &'a StreamOptions,
    pub(super) into_result: fn(O) -> Result<T, Exit>,
    pub(super) output_filter: Option<&'a OutputFilter<O>>,
    pub(super) into_error: fn(usize, Option<I>, Exit) -> E,
    /// Where the stream was created.
    pub(super) spawned_at: &'static Location<'static>,
}

impl<I, O: Send + 'static, R> ActiveStream<I, O, R> {
    /// `n_items` is how many items the source has, if that is known.
    pub(super) fn new(
        options: &StreamOptions,
        progress: Progress,
        spawner: &impl Spawner,
        created_at: &'static Location<'static>,
        n_items: Option<usize>,
    ) -> ActiveStream<I, O, R> {
        let runtime = current_runtime();
        let max_concurrency = options.max_concurrency(&runtime);
        let group = Group {
            number: 0,
            owner: current(),
            created_at,
            since: 0,
            max_concurrency: Some(max_concurrency),
            n_items,
            counters: progress.counters(),
        };
        let key = runtime.add_group(GroupKind::Stream, group);
        ActiveStream {
            key,
            window: Window::new(max_concurrency, options.max_ahead(max_concurrency), options.order),
            in_flight: InFlight::new(runtime),
            queue: VecDeque::new(),
            batch: CompletionBatch::default(),
            n_delivered_in_row: 0,
            progress,
            items_outlive_consumer: spawner.items_outlive_consumer(),
        }
    }

    /// Adds an item from the source to the window and to the queue.
    pub(super) fn enqueue(&mut self, input: I) {
        let slot = self.in_flight.insert(self.window.start(), input);
        self.queue.push_back(slot);
    }
}

impl<I, O: Send + 'static, T, E> ActiveStream<I, O, Result<T, E>> {
    /// Applies an event of a slot: queues the item, schedules a retry, or moves its result into the
    /// window. Returns `Break` if the item has timed out and its timeout ends the stream.
    #[must_use = "on `Break`, the source has to be dropped"]
    pub(super) fn apply(
        &mut self,
        rules: &ResultRules<'_, I, O, T, E>,
        slot: usize,
        event: SlotEvent<O>,
    ) -> ControlFlow<()> {
        let completion = match event {
            SlotEvent::Completed(completion) => completion,
            SlotEvent::Queued => {
                self.queue.push_back(slot);
                return ControlFlow::Continue(());
            }
        };
        match completion {
            Completion::Value(output) => {
                let retry = self.retry_left(rules, slot);
                let is_retried = retry.and(rules.output_filter).and_then(|filter| filter(&output));
                match (rules.into_result)(output) {
                    Ok(value) => {
                        self.succeed(slot, value);
                        ControlFlow::Continue(())
                    }
                    Err(exit) => self.fail(rules, slot, exit, is_retried, false),
                }
            }
            Completion::Failed(exit) => self.fail(rules, slot, exit, None, false),
            Completion::TimedOut(timed_out) => {
                self.report_timeout(rules, slot, &timed_out);
                self.fail(rules, slot, Exit::Timeout(timed_out), None, true)
            }
            Completion::Abandoned(timed_out) => {
                self.report_timeout(rules, slot, &timed_out);
                self.progress.count_abandoned();
                self.fail(rules, slot, Exit::Timeout(timed_out), None, true)
            }
        }
    }

    /// Moves the value of an item into the window.
    #[inline]
    fn succeed(&mut self, slot: usize, value: T) {
        let item = self.in_flight.remove(slot);
        self.progress.count_success();
        self.window.finish(item.idx, Ok(value));
    }

    fn report_timeout(&mut self, rules: &ResultRules<'_, I, O, T, E>, slot: usize, timed_out: &TimedOut) {
        self.progress.count_timeout();
        let item = self.in_flight.get_mut(slot);
        ignore_panic(|| telemetry::item_timeout(rules.spawned_at, item.idx, item.n_attempts, timed_out));
    }

    /// Schedules a retry of an item whose attempt has failed, or moves the failure into the window. `is_retried` is the decision of the
    /// output filter. `None` if there is no such filter, or if it was not called.
    #[cold]
    fn fail(
        &mut self,
        rules: &ResultRules<'_, I, O, T, E>,
        slot: usize,
        exit: Exit,
        is_retried: Option<bool>,
        has_timed_out: bool,
    ) -> ControlFlow<()> {
        let (idx, n_attempts, pid) = {
            let item = self.in_flight.get_mut(slot);
            (item.idx, item.n_attempts, item.pid())
        };
        let exit = exit.in_attempt(n_attempts);
        if let Some(retry) = self.retry_left(rules, slot)
            // Each attempt in a forked process would be refused.
            && !matches!(exit, Exit::Refused(Refusal::Forked))
            && is_retried.unwrap_or_else(|| retry.is_retried(&exit))
        {
            self.progress.count_retry();
            let after = match self.in_flight.retry(slot, retry.configured_backoff()) {
                RetryStart::AfterBackoff(delay) => delay,
                RetryStart::Now => {
                    self.queue.push_back(slot);
                    Duration::ZERO
                }
            };
            ignore_panic(|| telemetry::item_retry(rules.spawned_at, idx, n_attempts, pid, &exit, after));
            return ControlFlow::Continue(());
        }
        let item = self.in_flight.remove(slot);
        self.progress.count_failure();
        ignore_panic(|| telemetry::item_failed(rules.spawned_at, idx, n_attempts, pid, &exit));
        let result = Err((rules.into_error)(idx, item.input, exit));
        if has_timed_out && rules.options.on_timeout == StreamTimeout::EndStream {
            match rules.options.order {
                // Earlier items continue, and their results are delivered first. If an earlier item
                // times out, the stream ends with it.
                Order::Input => self.cancel_after(idx),
                Order::Completion => self.cancel(),
            }
            self.window.cut(idx, result);
            return ControlFlow::Break(());
        }
        self.window.finish(idx, result);
        ControlFlow::Continue(())
    }

    /// Returns the retry policy, if the item has an attempt left.
    fn retry_left<'a>(&mut self, rules: &ResultRules<'a, I, O, T, E>, slot: usize) -> Option<&'a Retry> {
        let retry = rules.options.retry.as_ref()?;
        Some(retry).filter(|retry| retry.has_retry_left(self.in_flight.get_mut(slot).n_attempts))
    }
}

impl<I, O, R> ActiveStream<I, O, R> {
    /// Asks all running items to shut down, and removes all items that have no result yet.
    fn cancel(&mut self) {
        self.progress.count_cancelled(self.in_flight.n_started());
        self.queue.clear();
        self.in_flight.cancel_all();
    }

    /// Like `cancel`, but only for items with an index above `idx`.
    fn cancel_after(&mut self, idx: usize) {
        let cancelled = self.in_flight.cancel_after(idx);
        self.progress.count_cancelled(cancelled.n_started);
        self.queue.retain(|slot| cancelled.slots.binary_search(slot).is_err());
    }
}

impl<I, O, R> Drop for ActiveStream<I, O, R> {
    fn drop(&mut self) {
        if self.items_outlive_consumer && is_ended_by_signal() {
            self.progress.count_cancelled(self.in_flight.n_started());
            self.in_flight.detach_all();
        }
        self.cancel();
        if let Some(key) = self.key {
            self.in_flight.remove_group(key);
        }
    }
}
