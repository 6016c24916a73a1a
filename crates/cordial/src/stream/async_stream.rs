//! `AsyncStream`: the public type of a parallel stream.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use futures_core::{Stream, TryStream};
use pin_project_lite::pin_project;

use super::active::StreamState;
use super::options::StreamOptions;
use super::progress::Progress;
use super::retry::OutputFilter;
use super::spawner::Unsupervised;
use super::try_source::{SourceError, TrySource};
use crate::exit::{Exit, IntoExit};

/// Makes the label of an item.
pub(super) type ItemLabel<I> = Arc<dyn Fn(&I) -> Arc<str> + Send + Sync>;

pin_project! {
    #[project = AsyncStreamProjection]
    /// A stream of the results of many tasks. Returned by [`Task::async_stream`](crate::Task::async_stream).
    ///
    /// The stream is lazy: nothing runs before the first poll. Once started, an item runs on even while the stream is not
    /// polled.
    ///
    /// | to get | call |
    /// |---|---|
    /// | one result after the other | [`next`](AsyncStream::next), in a `while let` loop |
    /// | all results | [`collect`](AsyncStream::collect) |
    /// | values and failures in two lists | [`partition`](AsyncStream::partition) |
    /// | all values, or the first failure | `try_collect` of [`futures::TryStreamExt`] |
    /// | counters, from any thread | [`progress`](AsyncStream::progress) |
    ///
    /// `AsyncStream` implements [`Stream`], so all methods of `futures::StreamExt` and
    /// `TryStreamExt` can be called. It is fused: after its last result, polls return `None`.
    ///
    /// Set the options before the first poll.
    ///
    /// # User code
    ///
    /// The source, the closures of the stream and of its [`label`](AsyncStream::label), the filters of
    /// [`Retry`](crate::Retry), clones of inputs and conversions of errors run where the stream is
    /// polled. If one of them panics, the poll panics: all running items are asked to shut down,
    /// results that were not delivered are lost, and the stream has ended.
    ///
    /// # Shutdown of the consumer
    ///
    /// A consumer that is [asked to shut down](crate::shutdown_requested) and has not opted in to graceful shutdown is
    /// dropped together with its stream. The stream waits neither for items nor for a [`retry`](AsyncStream::retry). If the
    /// consumer has opted in, the stream continues as before.
    ///
    /// # Memory
    ///
    /// The stream holds at most [`max_concurrency`](AsyncStream::max_concurrency) +
    /// [`max_ahead`](AsyncStream::max_ahead) items and results, whatever the length of the input.
    ///
    /// # Drain on Ctrl-C
    ///
    /// To drain a stream, end its source, not its consumer: running items finish, their results are delivered, and no new
    /// item starts. Inside [`cordial::main`](crate::main), Ctrl-C is a request to the root process to shut down.
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
    /// let jobs = stream::iter(0..).take_until(cordial::shutdown_requested());
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
    /// println!("shut down; no job was interrupted");
    /// # assert_eq!(n_done, 8, "after 35 s six jobs were done, and two were running");
    /// # });
    /// ```
    ///
    /// # Collect into a `Result`
    ///
    /// `try_collect` stops at the first failure and drops the stream. With [`or_exit`](AsyncStream::or_exit), an inner `Err`
    /// is a failure too.
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
        // Declared before `source`: running items are asked to shut down before the source is dropped.
        pub(super) state: StreamState<S::Item, O, Result<T, E>>,
        // `None` once the source has ended, or a timeout has ended the stream.
        #[pin]
        pub(super) source: Option<S>,
        pub(super) f: F,
        pub(super) spawner: P,
        pub(super) options: StreamOptions,
        // Turns the output of an item into its result.
        pub(super) into_result: fn(O) -> Result<T, Exit>,
        // `Some` if the retry policy looks at the `Err` that the future of an item returns.
        pub(super) output_filter: Option<OutputFilter<O>>,
        // Makes the label of the process of an item. `None`: it has none.
        pub(super) label: Option<ItemLabel<S::Item>>,
        // Returns a clone of the input for the attempt, and the input to keep. `None` if the input is not kept. The input is
        // passed by value, because a function pointer type with a reference has crashed rustc in incremental builds.
        pub(super) clone_input: Option<fn(S::Item) -> (S::Item, S::Item)>,
        // Turns the exit of an item into its error. The input is `Some` if a copy was kept.
        pub(super) into_error: fn(usize, Option<S::Item>, Exit) -> E,
        // Takes the error with which the source has ended. `None` if the source cannot fail.
        pub(super) source_error: Option<SourceError<S::Item>>,
        pub(super) progress: Progress,
        pub(super) spawned_at: &'static Location<'static>,
    }
}

impl<S: Stream, F, O, P> AsyncStream<S, F, O, O, Exit, P> {
    pub(crate) fn new(source: S, f: F, spawner: P, spawned_at: &'static Location<'static>) -> Self {
        AsyncStream {
            state: StreamState::NOT_POLLED,
            source: Some(source),
            f,
            spawner,
            options: StreamOptions::default(),
            into_result: Ok,
            output_filter: None,
            label: None,
            clone_input: None,
            into_error: |_, _, exit| exit,
            source_error: None,
            progress: Progress::default(),
            spawned_at,
        }
    }
}

/// Makes a stream whose source can fail.
#[expect(clippy::type_complexity, reason = "an alias cannot contain `impl FnMut`")]
pub(crate) fn from_try_source<S, F, Fut, P>(
    source: S,
    mut f: F,
    spawner: P,
    spawned_at: &'static Location<'static>,
) -> AsyncStream<TrySource<S>, impl FnMut(Option<S::Ok>) -> Fut, Fut::Output, Fut::Output, Exit, P>
where
    S: TryStream,
    S::Error: IntoExit,
    F: FnMut(S::Ok) -> Fut,
    Fut: Future,
{
    let (source, source_error) = TrySource::new(source);
    let f = move |item: Option<S::Ok>| f(item.expect("each item of a `TrySource` is `Some`"));
    AsyncStream { source_error: Some(source_error), ..AsyncStream::new(source, f, spawner, spawned_at) }
}

impl<S: Stream, F, O, T, E, P> fmt::Debug for AsyncStream<S, F, O, T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStream")
            .field("options", &self.options)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
