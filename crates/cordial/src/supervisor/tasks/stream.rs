//! Streams whose items run as children of a task supervisor.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{Stream, TryStream};
use futures_util::stream::{Iter, iter};

use super::handle::TaskSupervisor;
use super::reservation::Reservation;
use crate::exit::{Exit, IntoExit, Refusal};
use crate::pid::Pid;
use crate::process::{Recipient, RuntimeHandle, Spawn};
use crate::stream::{AsyncStream, Spawner, TrySource, from_try_source};

/// A stream under a task supervisor.
type SupervisedStream<I, F, O> = AsyncStream<Iter<I>, F, O, O, Exit, Supervised>;

impl TaskSupervisor {
    /// Creates a stream as [`Task::async_stream`](crate::Task::async_stream) does, with items that run as children of
    /// this supervisor. While the supervisor is full, the stream waits. If the supervisor is
    /// stopping or has ended, each further item is `Err(Exit::Refused)`.
    ///
    /// A child of the supervisor should not consume such a stream: if children fill the supervisor, and each waits for an item
    /// of its stream, no item ever starts. Use another supervisor for the inner stream, or
    /// [`Task::async_stream`](crate::Task::async_stream). Between two results, the consumer should not wait for room in the supervisor
    /// either, as [`start_child_when_room`](TaskSupervisor::start_child_when_room) does: the stream waits for room as well, and the room
    /// that it gets stays reserved until the stream is polled.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async_stream/4` with failures as items. There a full supervisor raises.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::TaskSupervisor;
    ///
    /// cordial::testing::run(async {
    ///     let two = TaskSupervisor::builder().max_children(2).start();
    ///     let squares = two.async_stream(1..=3, |n| async move { n * n }).max_concurrency(8).collect().await;
    ///     assert_eq!(squares, [Ok(1), Ok(4), Ok(9)]);
    /// });
    /// ```
    #[track_caller]
    pub fn async_stream<I, F, Fut>(&self, items: I, f: F) -> SupervisedStream<I::IntoIter, F, Fut::Output>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(iter(items), f, Supervised::new(self, AfterSignal::ShutDown), Location::caller())
    }

    /// Creates a stream as [`async_stream`](TaskSupervisor::async_stream) does, but running items continue when a signal
    /// ends the process that consumes the stream. Such a signal is a kill, the exit of a linked process, or a request to
    /// shut down. If the stream is dropped for any other reason, the items are shut down.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async_stream_nolink/4`.
    #[track_caller]
    pub fn async_stream_nolink<I, F, Fut>(&self, items: I, f: F) -> SupervisedStream<I::IntoIter, F, Fut::Output>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(iter(items), f, Supervised::new(self, AfterSignal::Continue), Location::caller())
    }
}

/// Streams from async sources.
impl TaskSupervisor {
    /// Creates a stream as [`async_stream`](TaskSupervisor::async_stream) does, with an async source, as
    /// [`Task::async_stream_from`](crate::Task::async_stream_from) has.
    #[track_caller]
    pub fn async_stream_from<S, F, Fut>(
        &self,
        source: S,
        f: F,
    ) -> AsyncStream<S, F, Fut::Output, Fut::Output, Exit, Supervised>
    where
        S: Stream,
        F: FnMut(S::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(source, f, Supervised::new(self, AfterSignal::ShutDown), Location::caller())
    }

    /// Creates a stream as [`async_stream`](TaskSupervisor::async_stream) does, with an async source that can fail, as
    /// [`Task::try_async_stream_from`](crate::Task::try_async_stream_from) has: its first error is the last result.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::TaskSupervisor;
    /// use futures::stream;
    ///
    /// cordial::testing::run(async {
    ///     let rows = stream::iter([Ok(1), Err("connection lost")]);
    ///     let tasks = TaskSupervisor::builder().max_children(2).start();
    ///     let (values, exits) = tasks.try_async_stream_from(rows, |n| async move { 10 * n }).partition().await;
    ///     assert_eq!((values, exits[0].to_string()), (vec![10], "connection lost".to_owned()));
    /// });
    /// ```
    #[expect(clippy::type_complexity, reason = "an alias cannot contain `impl FnMut`")]
    #[track_caller]
    pub fn try_async_stream_from<S, F, Fut>(
        &self,
        source: S,
        f: F,
    ) -> AsyncStream<TrySource<S>, impl FnMut(Option<S::Ok>) -> Fut, Fut::Output, Fut::Output, Exit, Supervised>
    where
        S: TryStream,
        S::Error: IntoExit,
        F: FnMut(S::Ok) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        from_try_source(source, f, Supervised::new(self, AfterSignal::ShutDown), Location::caller())
    }
}

/// Starts the items of a stream under a task supervisor.
#[expect(unnameable_types, reason = "a type parameter that users leave out")]
pub struct Supervised {
    tasks: TaskSupervisor,
    after_signal: AfterSignal,
    /// The wait for a reservation, while the supervisor is full and an item waits for room.
    waiting: Option<ReservationFuture>,
}

type ReservationFuture = Pin<Box<dyn Future<Output = Result<Reservation, Refusal>> + Send>>;

/// What happens to running items when a signal ends the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSignal {
    ShutDown,
    Continue,
}

impl Supervised {
    fn new(tasks: &TaskSupervisor, after_signal: AfterSignal) -> Supervised {
        Supervised { tasks: tasks.clone(), after_signal, waiting: None }
    }
}

impl Spawner for Supervised {
    /// `None` if the supervisor has no limit.
    type Permit = Option<Result<Reservation, Refusal>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Self::Permit> {
        let is_limited = self.tasks.shared().options.max_children.is_some();
        // In a forked process no child would ever make room, and the spawn is refused.
        if !is_limited || self.tasks.shared().runtime().is_forked() {
            return Poll::Ready(None);
        }
        let tasks = &self.tasks;
        let waiting = self.waiting.get_or_insert_with(|| {
            let tasks = tasks.clone();
            Box::pin(async move { tasks.shared().reserve().await })
        });
        let reservation = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(Some(reservation))
    }

    fn stop_waiting(&mut self) {
        // In a forked process, another thread may have held the lock of the queue at the fork.
        if self.waiting.is_some() && !self.tasks.shared().runtime().is_forked() {
            self.waiting = None;
        }
    }

    fn spawn<F, R>(
        &mut self,
        permit: Self::Permit,
        _: &RuntimeHandle,
        spawn: &mut Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        self.tasks.start_detached(permit, spawn, future, recipient)
    }

    fn items_outlive_consumer(&self) -> bool {
        self.after_signal == AfterSignal::Continue
    }
}

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised")
            .field("tasks", &self.tasks)
            .field("after_signal", &self.after_signal)
            .finish_non_exhaustive()
    }
}
