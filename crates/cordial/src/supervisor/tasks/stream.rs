//! Streams whose items are children of a task supervisor.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{Iter, iter};

use super::handle::{TaskSupervisor, Turn};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Handle, Recipient, Spawn};
use crate::stream::{AsyncStream, Spawner};

/// A stream of a task supervisor.
type Under<I, F, O> = AsyncStream<Iter<I>, F, O, O, Exit, Supervised>;

impl TaskSupervisor {
    /// As [`Task::async_stream`](crate::Task::async_stream), with items that are children of this supervisor. While it is
    /// full, the stream waits for room. When it is stopping or gone, items are `Err(Exit::Refused)`.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async_stream/4` with failures as items; there a full supervisor raises.
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
    pub fn async_stream<I, F, Fut>(&self, items: I, f: F) -> Under<I::IntoIter, F, Fut::Output>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(iter(items), f, Supervised::new(self, Orphans::End), Location::caller())
    }

    /// As [`async_stream`](TaskSupervisor::async_stream), but items that run already go on when the consumer is ended by a
    /// signal: a kill, a link, its supervisor. When the stream is dropped in any other way, they are given up.
    ///
    /// # Elixir
    ///
    /// `Task.Supervisor.async_stream_nolink/4`.
    #[track_caller]
    pub fn async_stream_nolink<I, F, Fut>(&self, items: I, f: F) -> Under<I::IntoIter, F, Fut::Output>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        AsyncStream::new(iter(items), f, Supervised::new(self, Orphans::RunOn), Location::caller())
    }
}

/// Starts the items of a stream under a task supervisor.
#[expect(unnameable_types, reason = "a type parameter that users leave out")]
pub struct Supervised {
    tasks: TaskSupervisor,
    orphans: Orphans,
    /// The wait for room.
    waiting: Option<Waiting>,
    /// What it gave, kept for the next item.
    turn: Option<Result<Turn, Refusal>>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<Turn, Refusal>> + Send>>;

/// What becomes of the items when a signal ends the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orphans {
    End,
    RunOn,
}

impl Supervised {
    fn new(tasks: &TaskSupervisor, orphans: Orphans) -> Supervised {
        Supervised { tasks: tasks.clone(), orphans, waiting: None, turn: None }
    }
}

impl Spawner for Supervised {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn.is_none() && self.tasks.is_limited() {
            let tasks = &self.tasks;
            let waiting = self.waiting.get_or_insert_with(|| {
                let tasks = tasks.clone();
                Box::pin(async move { tasks.room().await })
            });
            let turn = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            self.turn = Some(turn);
        }
        Poll::Ready(())
    }

    fn spawn<F, R>(
        &mut self,
        _: &Handle,
        spawned_at: &'static Location<'static>,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let spawn = Spawn::new(spawned_at);
        match self.turn.take() {
            None => self.tasks.start_detached(self.tasks.place(), spawn, future, recipient),
            Some(turn) => self.tasks.start_detached(turn.and_then(Turn::place), spawn, future, recipient),
        }
    }

    fn items_outlive_consumer(&self) -> bool {
        self.orphans == Orphans::RunOn
    }
}

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("tasks", &self.tasks).field("orphans", &self.orphans).finish_non_exhaustive()
    }
}
