//! What a poll of the stream does: looks at what rang, starts what may start, pulls, delivers.
//!
//! ```text
//!  poll ─► look at what rang ─► start what has room ─► pull one item ─┐
//!            ▲                                                        │
//!            └────────── until nothing can start any more ────────────┘─► deliver one result, or wait
//! ```
//!
//! While code of the user's may run (the source, the closure, what judges a failure), what the stream holds stands on the
//! stack. So a panic in it gives everything up, and leaves a stream that has ended.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::async_stream::AsyncStream;
use super::brief::{Brief, Patience};
use super::flights::{Flights, Landing, News};
use super::options::{Options, StreamTimeout};
use super::progress::Progress;
use super::ready;
use super::spawner::Spawner;
use super::window::Window;
use crate::exit::Exit;
use crate::process::{current_runtime, is_ended_by_signal};
use crate::task::Timeout;

/// How many results in a row are given without a pause. A consumer that always finds one would otherwise stay in one poll
/// for as long as the stream lasts, and its thread with it. As many attempts after the first begin in one poll.
const BUDGET: usize = 16;

/// How far the life of a stream has come.
pub(super) enum State<I, O, R> {
    Fresh,
    Live(Box<Live<I, O, R>>),
    Ended,
}

/// What a stream has once it is polled, until it ends.
pub(super) struct Live<I, O, R> {
    flights: Flights<I, O>,
    window: Window<R>,
    /// Slots whose next attempt may start as soon as there is room.
    to_start: VecDeque<usize>,
    /// What has happened. Empty between polls.
    news: ready::News<O>,
    /// Results given since the consumer waited last.
    n_in_a_row: usize,
    progress: Progress,
    /// Whether they run on when a signal ends the consumer.
    lets_run_on: bool,
}

impl<I, O: Send + 'static, R> Live<I, O, R> {
    fn new(options: &Options, progress: Progress, spawner: &impl Spawner) -> Live<I, O, R> {
        let runtime = current_runtime();
        let max_concurrency = options.max_concurrency(&runtime);
        Live {
            window: Window::new(max_concurrency, options.max_ahead(max_concurrency), options.order),
            flights: Flights::new(runtime),
            to_start: VecDeque::new(),
            news: ready::News::default(),
            n_in_a_row: 0,
            progress,
            lets_run_on: spawner.lets_run_on(),
        }
    }

    fn queue(&mut self, input: I) {
        let slot = self.flights.insert(self.window.start(), input);
        self.to_start.push_back(slot);
    }
}

impl<I, O, R> Live<I, O, R> {
    /// Nothing more will run.
    fn give_up(&mut self) {
        self.progress.count_given_up(self.flights.n_begun());
        self.to_start.clear();
        self.flights.clear();
    }
}

impl<I, O, R> Drop for Live<I, O, R> {
    fn drop(&mut self) {
        if self.lets_run_on && is_ended_by_signal() {
            self.progress.count_given_up(self.flights.n_begun());
            self.flights.let_run_on();
        }
        self.give_up();
    }
}

/// What the next result needs to know of the stream, apart from what runs.
struct Rules<'a, I, O, T, E> {
    options: &'a Options,
    judge: fn(O) -> Result<T, Exit>,
    fail: fn(usize, Option<I>, Exit) -> E,
}

/// What an attempt that has ended means for the stream.
#[must_use = "the source has to be let go of"]
#[derive(PartialEq)]
enum Verdict {
    GoOn,
    /// This was the last result.
    End,
}

impl<I, O: Send + 'static, T, E> Rules<'_, I, O, T, E> {
    /// Puts what came of a slot where it belongs.
    fn hear(&self, live: &mut Live<I, O, Result<T, E>>, slot: usize, news: News<O>) -> Verdict {
        let landing = match news {
            News::Nothing => return Verdict::GoOn,
            News::MayStart => {
                live.to_start.push_back(slot);
                return Verdict::GoOn;
            }
            News::Ended(landing) => landing,
        };
        let is_late = matches!(landing, Landing::TimedOut(_) | Landing::Abandoned(_));
        let result = match landing {
            Landing::Value(output) => (self.judge)(output),
            Landing::Failed(exit) => Err(exit),
            Landing::TimedOut(timed_out) => Err(Exit::Timeout(timed_out)),
            Landing::Abandoned(timed_out) => {
                live.progress.count_abandoned();
                Err(Exit::Timeout(timed_out))
            }
        };
        let n_attempts = live.flights.get_mut(slot).n_attempts;
        if let Err(exit) = &result
            && let Some(retry) = self.options.retry.as_ref().filter(|retry| retry.is_due(n_attempts, exit))
        {
            live.progress.count_retry();
            if let News::MayStart = live.flights.again(slot, retry.waits()) {
                live.to_start.push_back(slot);
            }
            return Verdict::GoOn;
        }
        let flight = live.flights.remove(slot);
        live.progress.count_end(result.is_ok());
        let result = result.map_err(|exit| (self.fail)(flight.idx, flight.input, exit));
        if is_late && self.options.on_timeout == StreamTimeout::EndStream {
            live.give_up();
            live.window.cut(flight.idx, result);
            return Verdict::End;
        }
        live.window.finish(flight.idx, result);
        Verdict::GoOn
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
        let mut this = self.project();
        let mut live = match std::mem::replace(this.state, State::Ended) {
            State::Fresh => Box::new(Live::new(this.options, this.progress.clone(), this.spawner)),
            State::Live(live) => live,
            State::Ended => return Poll::Ready(None),
        };
        let rules = Rules { options: this.options, judge: *this.judge, fail: *this.fail };
        let patience =
            if rules.options.timeout == Timeout::After(Duration::ZERO) { Patience::OnePoll } else { Patience::Any };
        let mut has_pulled = false;
        // What cannot be started has failed at once, and may be tried again at once, for ever.
        let mut n_again = 0;
        let polled = loop {
            if live.flights.ready().has_any() {
                let mut news = std::mem::take(&mut live.news);
                live.flights.ready().take(&mut news);
                // A reply always wins, so answers come first.
                for answer in news.answers.drain(..) {
                    let slot = answer.slot;
                    let heard = live.flights.hear(answer);
                    if rules.hear(&mut live, slot, heard) == Verdict::End {
                        this.source.set(None);
                    }
                }
                for slot in news.rung.drain(..) {
                    let seen = live.flights.look(slot);
                    if rules.hear(&mut live, slot, seen) == Verdict::End {
                        this.source.set(None);
                    }
                }
                live.news = news;
            }
            while n_again < BUDGET
                && let Some(&slot) = live.to_start.front()
                && this.spawner.poll_room(cx).is_ready()
            {
                live.to_start.pop_front();
                let flight = live.flights.get_mut(slot);
                let input = flight.input.take().expect("given away only where there is no other attempt");
                let input = match this.keep {
                    Some(twice) => {
                        let (input, kept) = twice(input);
                        flight.input = Some(kept);
                        input
                    }
                    None => input,
                };
                let future = (this.f)(input);
                let is_first = live.flights.get_mut(slot).n_attempts == 0;
                let future = Brief::new(future, patience);
                let addressee = live.flights.addressee(slot);
                let started = this.spawner.spawn(live.flights.runtime(), this.spawned_at, future, addressee);
                if is_first {
                    live.progress.count_start();
                } else {
                    n_again += 1;
                }
                let news = live.flights.run(slot, started, rules.options.timeout);
                if rules.hear(&mut live, slot, news) == Verdict::End {
                    this.source.set(None);
                }
            }
            // With a result at hand, at most one pull: a source that blocks must not hold it back for long.
            if live.to_start.is_empty()
                && live.window.may_start()
                && !(has_pulled && live.window.has_next())
                && let Some(source) = this.source.as_mut().as_pin_mut()
            {
                match source.poll_next(cx) {
                    Poll::Ready(Some(input)) => {
                        has_pulled = true;
                        live.queue(input);
                        continue;
                    }
                    Poll::Ready(None) => this.source.set(None),
                    Poll::Pending => {}
                }
            }
            if live.n_in_a_row == BUDGET && live.window.has_next() {
                cx.waker().wake_by_ref();
                break Poll::Pending;
            }
            if let Some(result) = live.window.deliver() {
                live.n_in_a_row += 1;
                break Poll::Ready(Some(result));
            }
            if live.window.n_held() == 0 && this.source.is_none() {
                return Poll::Ready(None);
            }
            if n_again == BUDGET {
                cx.waker().wake_by_ref();
                break Poll::Pending;
            }
            if live.flights.ready().poll(cx.waker()).is_pending() {
                break Poll::Pending;
            }
        };
        if polled.is_pending() {
            live.n_in_a_row = 0;
        }
        *this.state = State::Live(live);
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n_held = match &self.state {
            State::Fresh => 0,
            State::Live(live) => live.window.n_held(),
            State::Ended => return (0, Some(0)),
        };
        let (lower, upper) = self.source.as_ref().map_or((0, Some(0)), Stream::size_hint);
        let lower = match self.options.on_timeout {
            StreamTimeout::KillTask => lower.saturating_add(n_held),
            // It may end with the next result.
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
        matches!(self.state, State::Ended)
    }
}
