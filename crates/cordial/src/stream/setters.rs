//! The options of an `AsyncStream`, set before its first poll, and its counters.

use std::sync::Arc;

use futures_core::Stream;

use super::active::StreamState;
use super::async_stream::AsyncStream;
use super::failure::Failure;
use super::kept_input::KeptInput;
use super::options::{Order, StreamTimeout};
use super::progress::Progress;
use super::retry::RetryPolicy;
use crate::exit::{Exit, IntoExit};
use crate::timeout::Timeout;

impl<S: Stream, F, O, T, E, P> AsyncStream<S, F, O, T, E, P> {
    /// Sets the maximum number of items that run at once. Default: the number of workers of the runtime that polls the stream; 4 in
    /// simulation. With 1, items run one after the other.
    ///
    /// An item that waits for its [retry](AsyncStream::retry) counts as running.
    ///
    /// # Panics
    ///
    /// If `n` is 0, because no item could ever run.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let numbers = Task::async_stream(0..100, |n| async move { n }).max_concurrency(50).collect().await;
    ///     assert_eq!(numbers.len(), 100);
    /// });
    /// ```
    #[track_caller]
    pub fn max_concurrency(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "max_concurrency(0) lets nothing run; use at least 1, or leave it out for the number of workers"
        );
        self.options.max_concurrency = Some(n);
        self
    }

    /// Delivers results in the order in which items finish. Default: input order.
    ///
    /// A finished item counts toward [`max_concurrency`](AsyncStream::max_concurrency) until its result is delivered. To find out
    /// which item a failure belongs to, use [`zip_input_on_exit`](AsyncStream::zip_input_on_exit). To find out which item a value
    /// belongs to, let the item return its id together with the value.
    ///
    /// # Elixir
    ///
    /// `ordered: false`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let wait = |ms| async move { tokio::time::sleep(Duration::from_millis(ms)).await; ms };
    ///     assert_eq!(Task::async_stream([20, 10], wait).unordered().collect().await, [Ok(10), Ok(20)]);
    /// });
    /// ```
    pub fn unordered(mut self) -> Self {
        self.options.order = Order::Completion;
        self
    }

    /// Sets the timeout of each attempt of an item, counted from its spawn. Default: 5 s. A timeout of a second or more may
    /// elapse up to 20 ms late.
    ///
    /// The timeout elapses even while the stream is not polled. With zero, an attempt is polled once: the item returns its
    /// value in that poll, or has exceeded its timeout.
    ///
    /// An attempt that exceeds its timeout is killed, and fails with [`Exit::Timeout`], unless the
    /// poll that is running returns a value or panics. If a poll lasts for 100 ms after the kill,
    /// the attempt is abandoned: it fails with [`Exit::Timeout`], the stream does not wait for its
    /// end, and [`Progress::abandoned`] counts it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let results = Task::async_stream([1, 100], |seconds| tokio::time::sleep(Duration::from_secs(seconds)));
    ///     let results = results.timeout(Duration::from_secs(10)).collect().await;
    ///     assert!(matches!(results[..], [Ok(()), Err(Exit::Timeout(_))]));
    /// });
    /// ```
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Self {
        self.options.timeout = limit.into();
        self
    }

    /// Sets what happens when an item exceeds its timeout and is not retried. Default: [`StreamTimeout::KillTask`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{StreamTimeout, Task};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let results = Task::async_stream([1, 100, 2], |seconds| tokio::time::sleep(Duration::from_secs(seconds)))
    ///         .on_timeout(StreamTimeout::EndStream)
    ///         .max_concurrency(1);
    ///     assert_eq!(results.collect().await.len(), 2);
    /// });
    /// ```
    pub fn on_timeout(mut self, on_timeout: StreamTimeout) -> Self {
        self.options.on_timeout = on_timeout;
        self
    }

    /// Sets how far an ordered stream runs ahead of a hanging item: at most `max_concurrency + n` items run, or have a result
    /// that was not delivered. Default: 4 × `max_concurrency`. With 0, a finished item counts toward `max_concurrency` until its
    /// result is delivered. An unordered stream ignores this option.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// // While the first item hangs, the items up to index 11 start, and no others.
    /// let stream = Task::async_stream(0.., |n: u64| async move { n }).max_concurrency(2).max_ahead(10);
    /// # drop(stream);
    /// ```
    pub fn max_ahead(mut self, n: usize) -> Self {
        self.options.max_ahead = Some(n);
        self
    }

    /// Labels the process of each item. Events, snapshots and exits show the label. Default: no label.
    ///
    /// The closure runs where the stream is polled, before each attempt. If the source [can fail](crate::Task::try_async_stream_from),
    /// the closure gets `Some(item)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let pages = ["index.html", "style.css"];
    ///     let results = Task::async_stream(pages, |_| std::future::pending::<()>()).label(|page| format!("fetch {page}"));
    ///     let (_, failed) = results.partition().await;
    ///     assert!(failed[1].to_string().contains("\"fetch style.css\""));
    /// });
    /// ```
    pub fn label<L>(mut self, label: impl Fn(&S::Item) -> L + Send + Sync + 'static) -> Self
    where
        L: Into<Arc<str>>,
    {
        self.label = Some(Arc::new(move |item| label(item).into()));
        self
    }

    /// Retries failed items. Default: no retries.
    ///
    /// An attempt has failed when it ends without a value, for example by a panic or by its timeout. For an inner
    /// `Err` see [`or_exit`](AsyncStream::or_exit). [`Retry`](crate::Retry) says after which exits and which errors an item is
    /// retried.
    ///
    /// Each attempt runs in a new process, with a new timeout. An item that waits for its next attempt counts toward
    /// [`max_concurrency`](AsyncStream::max_concurrency). The stream does not deliver the failure of an attempt that is retried.
    ///
    /// Like a first attempt, a retry starts only while the stream is polled, because this poll calls the filter and the closure.
    /// So a consumer that is busy when an item fails, or when a backoff is over, delays the retry. To avoid the delay, let
    /// another task process the results, so that the consumer can always poll the stream.
    ///
    /// A consumer that drains the stream after a request to shut down also waits for retries. To stop retrying then, use the
    /// filter: `.when(|_| !cordial::is_shutdown_requested())`. The filter is called when an attempt fails, so an item that is
    /// already in its backoff makes one more attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Backoff, Retry, Task};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     static CALLS: AtomicU32 = AtomicU32::new(0);
    ///     let flaky = |n: u32| async move { if CALLS.fetch_add(1, Ordering::SeqCst) < 2 { Err("busy") } else { Ok(n) } };
    ///     let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5));
    ///     let results = Task::async_stream([7], flaky).or_exit().retry(Retry::times(3).backoff(backoff));
    ///     assert_eq!(results.collect().await, [Ok(7)]);
    /// });
    /// ```
    pub fn retry(mut self, retry: impl RetryPolicy<O, T>) -> Self
    where
        S::Item: KeptInput,
    {
        let (retry, output_filter) = retry.into_parts();
        self.options.retry = Some(retry);
        self.output_filter = output_filter;
        self.clone_input = Some(clone_input);
        self
    }

    /// Turns each failure into a [`Failure`], which has the index and the input of the item. Without this option a failure
    /// is an [`Exit`], which does not name the item. In an unordered stream, the position of the result does not show the item either.
    ///
    /// The stream keeps a copy of each input until its item has a result, so the input has to be `Clone`. An input that cannot be
    /// cloned can be put into an `Arc`.
    ///
    /// If the source [can fail](crate::Task::try_async_stream_from), the input of a failure is `Some(item)`, or `None` for the failure
    /// of the source.
    ///
    /// # Elixir
    ///
    /// `zip_input_on_exit: true`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let (_, failed) = Task::async_stream([2, 0], |n| async move { 6 / n }).zip_input_on_exit().partition().await;
    ///     assert_eq!((failed[0].index, failed[0].input), (1, 0));
    /// });
    /// ```
    pub fn zip_input_on_exit(self) -> AsyncStream<S, F, O, T, Failure<S::Item>, P>
    where
        S::Item: KeptInput,
    {
        let into_result = self.into_result;
        AsyncStream { clone_input: Some(clone_input), ..self.convert(into_result, Failure::new) }
    }

    /// Changes how outputs and exits become results.
    fn convert<U, X>(
        self,
        into_result: fn(O) -> Result<U, Exit>,
        into_error: fn(usize, Option<S::Item>, Exit) -> X,
    ) -> AsyncStream<S, F, O, U, X, P> {
        let AsyncStream { source, f, spawner, options, output_filter, label, .. } = self;
        let AsyncStream { clone_input, source_error, progress, spawned_at, .. } = self;
        AsyncStream {
            state: StreamState::NOT_POLLED,
            source,
            f,
            spawner,
            options,
            into_result,
            output_filter,
            label,
            clone_input,
            into_error,
            source_error,
            progress,
            spawned_at,
        }
    }

    /// Returns the counters of this stream, which can be read while the stream is consumed.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let stream = Task::async_stream(0..10, |n| async move { n });
    ///     let progress = stream.progress();
    ///     let consumer = Task::spawn(stream.collect());
    ///     while progress.succeeded() < 10 {
    ///         tokio::task::yield_now().await;
    ///     }
    ///     assert_eq!(consumer.await.unwrap().len(), 10);
    /// });
    /// ```
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl<S, F, U, X, E, P> AsyncStream<S, F, Result<U, X>, Result<U, X>, E, P>
where
    S: Stream,
{
    /// Turns an inner `Err` into an `Err` of the stream, and so into a failure for [`retry`](AsyncStream::retry),
    /// [`zip_input_on_exit`](AsyncStream::zip_input_on_exit) and [`partition`](AsyncStream::partition). If the error is an [`Exit`],
    /// boxed or not, this exit is the failure; any other error becomes an [`Exit::Error`]. Without this option an inner
    /// `Err` is part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let numbers = Task::async_stream(["7", "x"], |text| async move { text.parse::<u8>() }).or_exit();
    ///     let (values, exits) = numbers.partition().await;
    ///     assert_eq!(values, [7]);
    ///     assert_eq!(exits[0].to_string(), "invalid digit found in string");
    /// });
    /// ```
    pub fn or_exit(self) -> AsyncStream<S, F, Result<U, X>, U, E, P>
    where
        X: IntoExit,
    {
        let into_error = self.into_error;
        self.convert(|output| output.map_err(|error| Exit::from(error.into_boxed())), into_error)
    }
}

/// Returns a clone of the input for the attempt, and the input itself for the stream to keep.
fn clone_input<I: KeptInput>(input: I) -> (I, I) {
    (input.clone(), input)
}
