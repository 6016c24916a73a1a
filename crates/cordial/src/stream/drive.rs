//! `AsyncStream`: pulls, spawns, collects and delivers, all inside the consumer's poll.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, Iter, iter};
use pin_project_lite::pin_project;

use super::attempt::Attempt;
use super::options::{Options, StreamTimeout};
use super::progress::Progress;
use super::window::Window;
use crate::exit::Exit;
use crate::process::current_runtime;
use crate::task::{Task, Timeout};

/// How many items a stream of a simulated runtime runs at once by default.
const DEFAULT_IN_SIMULATION: usize = 4;

pin_project! {
    /// A stream of results, made by [`Task::async_stream`]. Lazy: it must be polled, and runs items while it is not.
    #[must_use = "a stream is lazy: nothing runs and no input is pulled before it is polled"]
    pub struct AsyncStream<S, F, T> {
        // `None` once it has ended, so that what it holds is dropped then.
        #[pin]
        source: Option<S>,
        f: F,
        running: FuturesUnordered<Attempt<T>>,
        // Made at the first poll, when the options are settled.
        window: Option<Window<Result<T, Exit>>>,
        options: Options,
        progress: Guard,
        spawned_at: &'static Location<'static>,
    }
}

impl Task<()> {
    /// Runs `f` on every item, each in a process of its own, at most so many at once, and gives a stream of the results.
    ///
    /// Defaults: input order, as many at once as the runtime has workers (4 in simulation), 5 s for each item; failures
    /// and timeouts are `Err` items, and the others go on. See [`AsyncStream`] for the options.
    ///
    /// Nothing runs before the stream is polled. Input is pulled one by one, when a slot is free: it may be endless. Items
    /// run while the consumer is busy. Dropping the stream gives up what still runs.
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
    /// use futures::StreamExt;
    ///
    /// cordial::testing::run(async {
    ///     let mut lengths = Task::async_stream(["a", "bc"], |text| async move { text.len() }).max_concurrency(2);
    ///     while let Some(length) = lengths.next().await {
    ///         println!("{}", length.unwrap());
    ///     }
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
        AsyncStream::new(iter(items), f, Location::caller())
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
    #[track_caller]
    pub fn async_stream_from<S, F, Fut>(source: S, f: F) -> AsyncStream<S, F, Fut::Output>
    where
        S: Stream,
        F: FnMut(S::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(source, f, Location::caller())
    }
}

impl<S, F, T> AsyncStream<S, F, T> {
    fn new(source: S, f: F, spawned_at: &'static Location<'static>) -> AsyncStream<S, F, T> {
        AsyncStream {
            source: Some(source),
            f,
            running: FuturesUnordered::new(),
            window: None,
            options: Options {
                max_concurrency: current_runtime().executor().workers().unwrap_or(DEFAULT_IN_SIMULATION),
                is_ordered: true,
                max_ahead: None,
                timeout: Timeout::default(),
                on_timeout: StreamTimeout::default(),
            },
            progress: Guard(Progress::default()),
            spawned_at,
        }
    }

    /// Sets how many items run at once. Default: the number of workers; 4 in simulation. With 1 they run one after the
    /// other.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing would ever run.
    #[track_caller]
    pub fn max_concurrency(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "max_concurrency(0) lets nothing run; use at least 1, or leave it out for the number of workers"
        );
        self.options.max_concurrency = n;
        self
    }

    /// Gives each result as soon as it is there. Default: input order.
    pub fn unordered(mut self) -> Self {
        self.options.is_ordered = false;
        self
    }

    /// Sets the limit of each item, counted from its spawn. Default: 5 s.
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Self {
        self.options.timeout = limit.into();
        self
    }

    /// Sets what happens when an item exceeds its limit. Default: [`StreamTimeout::KillTask`].
    pub fn on_timeout(mut self, on_timeout: StreamTimeout) -> Self {
        self.options.on_timeout = on_timeout;
        self
    }

    /// Sets how far an ordered stream runs ahead of an item that hangs: at most `max_concurrency + n` items are running
    /// or waiting for an older one. Default: 4 × `max_concurrency`. With 0, each undelivered item keeps its slot.
    pub fn max_ahead(mut self, n: usize) -> Self {
        self.options.max_ahead = Some(n);
        self
    }

    /// The counts of this stream, to be read while it is consumed.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.0.clone()
    }
}

impl<S, F, Fut, T> AsyncStream<S, F, T>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    /// The next result; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Exit>>
    where
        S: Unpin,
        F: Unpin,
    {
        StreamExt::next(self).await
    }

    /// All results.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up what runs and loses what was collected.
    #[must_use = "nothing runs before it is awaited"]
    pub async fn collect(self) -> Vec<Result<T, Exit>> {
        StreamExt::collect(self).await
    }

    /// All values, and all exits, each in the order of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up what runs and loses what was collected.
    #[must_use = "nothing runs before it is awaited"]
    pub async fn partition(self) -> (Vec<T>, Vec<Exit>) {
        let mut parts = (Vec::new(), Vec::new());
        let mut stream = std::pin::pin!(self);
        while let Some(result) = StreamExt::next(&mut stream).await {
            match result {
                Ok(value) => parts.0.push(value),
                Err(exit) => parts.1.push(exit),
            }
        }
        parts
    }
}

impl<S, F, Fut, T> Stream for AsyncStream<S, F, T>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    type Item = Result<T, Exit>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, Exit>>> {
        let mut this = self.project();
        let options = *this.options;
        let progress = &this.progress.0;
        let window = this
            .window
            .get_or_insert_with(|| Window::new(options.max_concurrency, options.max_ahead(), options.is_ordered));
        let mut has_pulled = false;
        loop {
            while let Poll::Ready(Some((idx, result))) = this.running.poll_next_unpin(cx) {
                progress.count_end(result.is_ok());
                if options.on_timeout == StreamTimeout::EndStream && matches!(result, Err(Exit::Timeout(_))) {
                    progress.count_given_up(this.running.len());
                    this.running.clear();
                    this.source.set(None);
                    window.cut(idx, result);
                } else {
                    window.finish(idx, result);
                }
            }
            // With a result at hand, at most one pull: a source that blocks must not hold it back for long.
            if window.may_start()
                && !(has_pulled && window.has_next())
                && let Some(source) = this.source.as_mut().as_pin_mut()
            {
                match source.poll_next(cx) {
                    Poll::Ready(Some(item)) => {
                        has_pulled = true;
                        let task = Task::spawn_at(this.spawned_at, (this.f)(item));
                        progress.count_start();
                        this.running.push(Attempt::new(window.start(), task, options.timeout));
                        continue;
                    }
                    Poll::Ready(None) => this.source.set(None),
                    Poll::Pending => {}
                }
            }
            return match window.deliver() {
                Some(result) => Poll::Ready(Some(result)),
                None if window.n_running() == 0 && this.source.is_none() => Poll::Ready(None),
                None => Poll::Pending,
            };
        }
    }
}

/// Counts what still runs as given up when the stream is dropped.
struct Guard(Progress);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.count_given_up(self.0.running());
    }
}

impl<S, F, T> fmt::Debug for AsyncStream<S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStream")
            .field("options", &self.options)
            .field("progress", &self.progress.0)
            .finish_non_exhaustive()
    }
}
