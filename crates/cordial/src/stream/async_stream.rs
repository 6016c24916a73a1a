//! `AsyncStream`: how one is made, and what it can be told before it is polled.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use futures_core::Stream;
use futures_util::stream::{Iter, iter};
use pin_project_lite::pin_project;

use super::drive::State;
use super::failure::Failure;
use super::options::{Options, Order, StreamTimeout};
use super::progress::Progress;
use super::retry::Retry;
use super::spawner::Unsupervised;
use crate::exit::Exit;
use crate::task::{Task, Timeout};

pin_project! {
    /// A stream of results, made by [`Task::async_stream`]. Lazy: it must be polled, and runs items while it is not.
    ///
    /// | for | call |
    /// |---|---|
    /// | one result after the other | [`next`](AsyncStream::next), in a `while let` |
    /// | all of them | [`collect`](AsyncStream::collect) |
    /// | values and failures apart | [`partition`](AsyncStream::partition) |
    /// | all values, or the first failure | `try_collect` of [`futures::TryStreamExt`] |
    /// | counts, while somebody else consumes it | [`progress`](AsyncStream::progress) |
    ///
    /// It is a [`Stream`], so everything of `futures::StreamExt` and `TryStreamExt` works on it. After its last result it
    /// may be polled on, and gives `None`.
    ///
    /// Its source, its closure, the filter of its [`Retry`], and the clones and conversions that its options ask for run
    /// where it is polled. When one of them panics, so does the poll; everything that runs is given up, results that were
    /// not delivered are lost, and the stream is at its end.
    ///
    /// A consumer that is [asked to shut down](crate::shutdown_requested) and has not asked to be told is dropped with its
    /// stream, which waits for nothing: neither for items nor for a [`retry`](AsyncStream::retry). For one that has asked, the
    /// stream goes on as before.
    ///
    /// Memory: at most [`max_concurrency`](AsyncStream::max_concurrency) + [`max_ahead`](AsyncStream::max_ahead) items
    /// and results, however long the input is.
    ///
    /// # Drain on Ctrl-C
    ///
    /// Let the source end when the program is asked to, rather than the consumer: what runs is finished and delivered,
    /// and nothing new starts. Inside [`cordial::main`](crate::main), Ctrl-C is such a request to the root process.
    ///
    /// ```
    /// use cordial::{Task, process};
    /// use futures::{StreamExt, stream};
    /// use std::time::Duration;
    ///
    /// # cordial::testing::run(async {
    /// # let own = process::current().unwrap();
    /// # Task::start(async move {
    /// #     tokio::time::sleep(Duration::from_secs(35)).await;
    /// #     process::exit(own, cordial::Exit::Shutdown(None)); // as Ctrl-C
    /// # });
    /// let jobs = stream::iter(0..).take_until(Box::pin(cordial::shutdown_requested()));
    /// let mut results = Task::async_stream_from(jobs, |job: u32| async move {
    ///     tokio::time::sleep(Duration::from_secs(10)).await;
    ///     job
    /// });
    /// results = results.max_concurrency(2).timeout(Duration::from_secs(60));
    /// let mut n_done = 0;
    /// while let Some(result) = results.next().await {
    ///     println!("job {} is done", result.unwrap());
    ///     n_done += 1;
    /// }
    /// println!("asked to end, and nothing is half done");
    /// # assert_eq!(n_done, 8, "six were done after 35 s, and two were at work");
    /// # });
    /// ```
    ///
    /// # Collect into a `Result`
    ///
    /// `try_collect` stops at the first failure and gives up the rest. With [`or_exit`](AsyncStream::or_exit) an `Err`
    /// of an item is a failure too.
    ///
    /// ```
    /// use cordial::{Exit, Task};
    /// use futures::TryStreamExt;
    ///
    /// # cordial::testing::run(async {
    /// let parse = |text: &'static str| async move { text.parse::<u8>() };
    /// let all: Result<Vec<u8>, Exit> = Task::async_stream(["1", "2"], parse).or_exit().try_collect().await;
    /// assert_eq!(all, Ok(vec![1, 2]));
    /// let none: Result<Vec<u8>, Exit> = Task::async_stream(["1", "x"], parse).or_exit().try_collect().await;
    /// assert_eq!(none.unwrap_err().to_string(), "invalid digit found in string");
    /// # });
    /// ```
    ///
    /// [`futures::TryStreamExt`]: https://docs.rs/futures/latest/futures/stream/trait.TryStreamExt.html#method.try_collect
    #[must_use = "a stream is lazy: nothing runs and no input is pulled before it is polled"]
    pub struct AsyncStream<S, F, O, T = O, E = Exit, P = Unsupervised>
    where
        S: Stream,
    {
        // Before the source: what runs goes first when the stream is dropped.
        pub(super) state: State<S::Item, O, Result<T, E>>,
        // `None` once it has ended, so that what it holds is dropped then.
        #[pin]
        pub(super) source: Option<S>,
        pub(super) f: F,
        pub(super) spawner: P,
        pub(super) options: Options,
        // What the output of an item means.
        pub(super) judge: fn(O) -> Result<T, Exit>,
        // `None`: the input is given away at the first attempt. No reference stands in this type, because evaluating the
        // traits of a function pointer with one has crashed incremental builds.
        pub(super) keep: Option<fn(S::Item) -> (S::Item, S::Item)>,
        // What a failure looks like. The input is there if it was kept.
        pub(super) fail: fn(usize, Option<S::Item>, Exit) -> E,
        pub(super) progress: Progress,
        pub(super) spawned_at: &'static Location<'static>,
    }
}

impl Task<()> {
    /// Runs `f` on every item, each in a process of its own, at most so many at once, and gives a stream of the results.
    ///
    /// Defaults: input order, as many at once as the runtime has workers (4 in simulation), 5 s for each item; failures
    /// and timeouts are `Err` items, and the others go on. See [`AsyncStream`] for the options.
    ///
    /// Nothing runs before the stream is polled. Input is pulled one by one, when a slot is free: it may be endless, and
    /// it may block the thread, though nothing is delivered meanwhile: between two results that are ready it is pulled once at
    /// most. Dropping the stream gives up what still runs.
    ///
    /// Items run, and their limits pass, while the consumer is busy; new ones begin when it asks for the next result. Whoever
    /// polls the stream is the caller of the items, and its tracing span is theirs.
    ///
    /// A future is moved into its process, so it borrows nothing: `f` clones what all of them use, outside of the
    /// `async move` block.
    ///
    /// # Elixir
    ///
    /// `Task.async_stream/3`. There a timeout ends the caller by default, and one hanging item lets finished results pile
    /// up without bound.
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
    /// What all items use, and values that tell whose they are:
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

    /// As [`async_stream`](Task::async_stream), over an async source. A slow source never holds back a result that is
    /// ready.
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
    /// A channel is a source to which others add while the results are consumed. It ends when they have dropped their senders.
    ///
    /// ```
    /// use cordial::Task;
    /// use futures::stream;
    ///
    /// cordial::testing::run(async {
    ///     let (jobs, mut queue) = tokio::sync::mpsc::channel(8);
    ///     Task::start(async move {
    ///         for job in 1..=3 {
    ///             jobs.send(job).await.unwrap();
    ///         }
    ///     });
    ///     let source = stream::poll_fn(move |cx| queue.poll_recv(cx));
    ///     let done = Task::async_stream_from(source, |job| async move { 10 * job }).collect().await;
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
}

impl<S: Stream, F, O, P> AsyncStream<S, F, O, O, Exit, P> {
    pub(crate) fn new(source: S, f: F, spawner: P, spawned_at: &'static Location<'static>) -> Self {
        AsyncStream {
            state: State::Fresh,
            source: Some(source),
            f,
            spawner,
            options: Options::default(),
            judge: Ok,
            keep: None,
            fail: |_, _, exit| exit,
            progress: Progress::default(),
            spawned_at,
        }
    }
}

impl<S: Stream, F, O, T, E, P> AsyncStream<S, F, O, T, E, P> {
    /// Sets how many items run at once. Default: the number of workers of the runtime that polls the stream; 4 in
    /// simulation. With 1 they run one after the other.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing would ever run.
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

    /// Gives each result as soon as it is there. Default: input order. Each result keeps its slot until it is delivered.
    ///
    /// Which item has failed is told by [`zip_input_on_exit`](AsyncStream::zip_input_on_exit); to know whose a value is, let
    /// the item return that with it.
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
        self.options.order = Order::OfEnds;
        self
    }

    /// Sets the limit of each item, counted from its spawn; of one that is tried again, the limit of each attempt.
    /// Default: 5 s. It passes also while nobody polls the stream. With zero an item has one poll: it gives its value
    /// then, or has exceeded its limit.
    ///
    /// An item whose poll does not return is given up 100 ms after its limit: it is `Err(Exit::Timeout)`, its slot is
    /// free, and [`Progress::abandoned`] counts it.
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

    /// Sets what happens when an item exceeds its limit. Default: [`StreamTimeout::KillTask`].
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

    /// Sets how far an ordered stream runs ahead of an item that hangs: at most `max_concurrency + n` items are running
    /// or waiting for an older one. Default: 4 × `max_concurrency`. With 0, each undelivered item keeps its slot. An
    /// unordered stream has nothing to wait for, and ignores it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// // The first item may hang: the others come to item 11, and no further.
    /// let stream = Task::async_stream(0.., |n: u64| async move { n }).max_concurrency(2).max_ahead(10);
    /// # drop(stream);
    /// ```
    pub fn max_ahead(mut self, n: usize) -> Self {
        self.options.max_ahead = Some(n);
        self
    }

    /// Tries an item again that has failed: by a panic, by its limit, or however else it ends without a value; see
    /// [`or_exit`](AsyncStream::or_exit) for an `Err`. Default: no item is tried again.
    ///
    /// Each attempt is a process of its own, with the full limit. An item keeps its slot while it waits for its next
    /// attempt, and is an `Err` only when it has given up, with the exit of its last attempt.
    ///
    /// An attempt begins when the stream is polled, as the first one does, for the filter and the closure run there: a
    /// consumer that is busy when an item fails, or when a wait is over, makes the next attempt late. If that matters, let it
    /// hand its results on, and poll.
    ///
    /// A consumer that drains when it is asked to end waits for attempts too. So that what fails then fails for good, ask in
    /// the filter: `.when(|_| !cordial::is_shutdown_requested())`.
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
    pub fn retry(mut self, retry: Retry) -> Self
    where
        S::Item: Clone,
    {
        self.options.retry = Some(retry);
        self.keep = Some(twice);
        self
    }

    /// Makes each failure a [`Failure`], which names the item by index and input. Without it a failure is an [`Exit`],
    /// and of an unordered stream it does not tell whose.
    ///
    /// A copy of each input is kept for as long as its item is at work.
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
        S::Item: Clone,
    {
        let AsyncStream { source, f, spawner, options, judge, progress, spawned_at, .. } = self;
        AsyncStream {
            state: State::Fresh,
            source,
            f,
            spawner,
            options,
            judge,
            keep: Some(twice),
            fail: Failure::new,
            progress,
            spawned_at,
        }
    }

    /// The counts of this stream, to be read while it is consumed.
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
    X: Into<Box<dyn Error + Send + Sync>>,
{
    /// Makes an inner `Err` an [`Exit::Error`], and so a failure for [`retry`](AsyncStream::retry),
    /// [`zip_input_on_exit`](AsyncStream::zip_input_on_exit) and [`partition`](AsyncStream::partition). An error that is
    /// an `Exit` stays that exit. Without it an inner `Err` is a value like any other.
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
    pub fn or_exit(self) -> AsyncStream<S, F, Result<U, X>, U, E, P> {
        let AsyncStream { source, f, spawner, options, keep, fail, progress, spawned_at, .. } = self;
        AsyncStream {
            state: State::Fresh,
            source,
            f,
            spawner,
            options,
            judge: |output| output.map_err(|error| Exit::from(error.into())),
            keep,
            fail,
            progress,
            spawned_at,
        }
    }
}

fn twice<I: Clone>(input: I) -> (I, I) {
    (input.clone(), input)
}

impl<S: Stream, F, O, T, E, P> fmt::Debug for AsyncStream<S, F, O, T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStream")
            .field("options", &self.options)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
