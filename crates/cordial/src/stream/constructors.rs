//! `Task::async_stream`, `Task::async_stream_from` and `Task::try_async_stream_from`.

use std::panic::Location;

use futures_core::{Stream, TryStream};
use futures_util::stream::{Iter, iter};

use super::async_stream::{AsyncStream, from_try_source};
use super::spawner::Unsupervised;
use super::try_source::TrySource;
use crate::exit::IntoExit;
use crate::task::Task;

impl Task<()> {
    /// Runs `f` on every item, each in a process of its own, with bounded concurrency, and returns a stream of the results.
    ///
    /// Defaults: results come in input order; as many items run at once as the runtime has workers (4 in simulation); each
    /// attempt of an item has a timeout of 5 s. Failures and timeouts are `Err` results, and the other items continue. See
    /// [`AsyncStream`] for the options.
    ///
    /// Nothing runs before the stream is polled. An item is pulled only when it can start, so the
    /// input can be endless. If the iterator blocks its thread, it delays results that are ready:
    /// while a result is ready, a poll of the stream calls `next` of the iterator at most once.
    /// Dropping the stream asks all running items to shut down.
    ///
    /// Items run, and their timeouts elapse, while the consumer is busy. New items start only when
    /// the stream is polled. The process that polls the stream is the first of the
    /// [`callers`](crate::process::callers) of each item. An item is polled in the tracing span that
    /// is current when the item starts, or in a child of that span.
    ///
    /// A future is moved into its process and cannot borrow. If all items share data, `f` has to
    /// clone the data before the `async move` block.
    ///
    /// # Elixir
    ///
    /// `Task.async_stream/3`. There, a timeout ends the caller by default, and the results behind a hanging item pile up
    /// without bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let mut lengths = Task::async_stream(["a", "bc"], |text| async move { text.len() }).max_concurrency(2);
    ///     while let Some(length) = lengths.next().await {
    ///         println!("{}", length.unwrap());
    ///     }
    /// });
    /// ```
    ///
    /// Data that all items share, and values that carry the id of their item:
    ///
    /// ```
    /// use cordial::Task;
    /// use std::sync::Arc;
    ///
    /// cordial::testing::run(async {
    ///     let prices = Arc::new([30, 20, 10]);
    ///     let totals = Task::async_stream([(7, 1), (8, 2)], |(order, quantity)| {
    ///         let prices = prices.clone();
    ///         async move { (order, quantity * prices[quantity]) }
    ///     });
    ///     let (mut totals, failed) = totals.unordered().partition().await;
    ///     totals.sort();
    ///     assert_eq!((totals, failed.len()), (vec![(7, 20), (8, 20)], 0));
    /// });
    /// ```
    #[track_caller]
    pub fn async_stream<I, F, Fut>(items: I, f: F) -> AsyncStream<Iter<I::IntoIter>, F, Fut::Output>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(iter(items), f, Unsupervised, Location::caller())
    }

    /// Does the same as [`async_stream`](Task::async_stream), with an async source. While the source has no item, the results
    /// that are ready are delivered.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let source = futures::stream::iter(1..=3);
    ///     let doubled = Task::async_stream_from(source, |n| async move { 2 * n }).collect().await;
    ///     assert_eq!(doubled, [Ok(2), Ok(4), Ok(6)]);
    /// });
    /// ```
    ///
    /// With a channel as the source, items can be added while results are consumed. The stream ends when all senders are
    /// dropped and all results are delivered.
    ///
    /// ```
    /// use cordial::Task;
    /// use futures::stream;
    ///
    /// cordial::testing::run(async {
    ///     let (tx, mut rx) = tokio::sync::mpsc::channel(8);
    ///     Task::start(async move {
    ///         for job in 1..=3 {
    ///             tx.send(job).await.unwrap();
    ///         }
    ///     });
    ///     let jobs = stream::poll_fn(move |cx| rx.poll_recv(cx));
    ///     let done = Task::async_stream_from(jobs, |job| async move { 10 * job }).collect().await;
    ///     assert_eq!(done, [Ok(10), Ok(20), Ok(30)]);
    /// });
    /// ```
    #[track_caller]
    pub fn async_stream_from<S, F, Fut>(source: S, f: F) -> AsyncStream<S, F, Fut::Output>
    where
        S: Stream,
        F: FnMut(S::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(source, f, Unsupervised, Location::caller())
    }

    /// Does the same as [`async_stream_from`](Task::async_stream_from), with a source that can fail: a stream of `Result`s, such as the
    /// rows of a query. `f` gets the values.
    ///
    /// The stream pulls nothing after the first `Err` of the source. The results of the items before the error are delivered first, even
    /// in an [unordered](AsyncStream::unordered) stream; then the error is the last result, as an [`Exit::Error`](crate::Exit::Error), or,
    /// if the error is an exit, as that exit. The source is not polled again, and the [counters](AsyncStream::progress) do not count the
    /// error. If a timeout [ends the stream](crate::StreamTimeout::EndStream) earlier, the error is not delivered.
    ///
    /// After [`zip_input_on_exit`](AsyncStream::zip_input_on_exit), the input of the failure of an item is `Some(item)`. The failure of the
    /// source has the input `None`, and its index is the number of items before the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task};
    /// use futures::stream;
    /// use std::io;
    ///
    /// cordial::testing::run(async {
    ///     let rows = stream::iter([Ok(1), Ok(2), Err(io::Error::other("connection lost")), Ok(3)]);
    ///     let results = Task::try_async_stream_from(rows, |n| async move { 10 * n }).collect().await;
    ///     assert_eq!(results[..2], [Ok(10), Ok(20)]);
    ///     assert_eq!(results[2].as_ref().unwrap_err().to_string(), "connection lost");
    ///     assert_eq!(results.len(), 3);
    /// });
    /// ```
    #[expect(clippy::type_complexity, reason = "an alias cannot contain `impl FnMut`")]
    #[track_caller]
    pub fn try_async_stream_from<S, F, Fut>(
        source: S,
        f: F,
    ) -> AsyncStream<TrySource<S>, impl FnMut(Option<S::Ok>) -> Fut, Fut::Output>
    where
        S: TryStream,
        S::Error: IntoExit,
        F: FnMut(S::Ok) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        from_try_source(source, f, Unsupervised, Location::caller())
    }
}
