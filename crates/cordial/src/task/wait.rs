//! Waiting for one task: blocking, for a limited time, or not at all.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::deadline::Deadline;
use super::handle::Task;
use crate::exit::Exit;
use crate::process::{assert_may_block, block_on};
use crate::timeout::Timeout;

/// How often `ignore` yields its thread while it waits for the result of a process that has exited.
const MAX_YIELDS: usize = 10_000;

impl<T: Send> Task<T> {
    /// Awaits the task and blocks the calling thread meanwhile. The timeout of the await applies.
    ///
    /// May be called on plain threads, in `spawn_blocking`, and inside a process, where the wait
    /// counts as a long poll.
    ///
    /// # Errors
    ///
    /// Those of the await: the [`Exit`] of the task, or [`Exit::Timeout`].
    ///
    /// # Panics
    ///
    /// On a tokio worker thread and in a simulation, where blocking would stop all other tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cordial::Task::spawn(async { 1 }).wait(), Ok(1));
    /// ```
    #[track_caller]
    pub fn wait(self) -> Result<T, Exit> {
        assert_may_block("Task::wait");
        block_on(self)
    }

    /// Waits for the result up to a timeout. Returns `None` if the task still runs; the handle can then be used as before. If the
    /// result was taken before, returns `Some(Err(Exit::NoProcess))`.
    ///
    /// This timeout is independent of the timeout of the await, which counts from the first poll of the handle itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Elixir
    ///
    /// `Task.yield/2`; `yield` is a keyword of Rust.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let mut task = Task::spawn(tokio::time::sleep(Duration::from_secs(3)));
    ///     assert_eq!(task.yield_for(Duration::from_secs(2)).await, None);
    ///     assert_eq!(task.yield_for(Duration::from_secs(2)).await, Some(Ok(())));
    /// });
    /// ```
    pub async fn yield_for(&mut self, limit: impl Into<Timeout>) -> Option<Result<T, Exit>> {
        let timeout = limit.into();
        // Without a process the first poll returns a result, and the deadline is never polled.
        let deadline = self.control().map_or(Deadline::Never, |join| Deadline::new(&join.runtime(), timeout));
        self.yield_until(deadline).await
    }

    /// Implements [`yield_for`](Task::yield_for).
    pub(super) async fn yield_until(&mut self, mut deadline: Deadline) -> Option<Result<T, Exit>> {
        poll_fn(|cx| match self.poll_result(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            // A process that has exited does not time out: its result is about to arrive and to wake the caller.
            Poll::Pending if deadline.poll(cx).is_pending() || self.is_finished() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Returns the result if it has arrived. Otherwise drops the handle without ending the task:
    /// the task continues to run, and its value is dropped.
    ///
    /// Returns `None` if the task had not ended, or if its result was taken before. If the task continues to run, its link is removed.
    ///
    /// # Elixir
    ///
    /// `Task.ignore/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// assert_eq!(Task::completed(1).ignore(), Some(Ok(1)));
    /// ```
    #[doc(alias = "detach")]
    pub fn ignore(mut self) -> Option<Result<T, Exit>> {
        self.take_or_detach()
    }

    /// Implements [`ignore`](Task::ignore).
    pub(super) fn take_or_detach(&mut self) -> Option<Result<T, Exit>> {
        if let Some(result) = self.take_ready() {
            return Some(result);
        }
        let join = self.control()?;
        if !join.is_finished() && join.has_exited() {
            // The process has left the table, and the thread that ran it is about to store its result. If that thread is
            // the current one (a `tracing` subscriber or a waker calls `ignore`), the result never arrives. The number
            // of yields is therefore bounded.
            for _ in 0..MAX_YIELDS {
                if join.is_finished() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        if join.is_finished()
            && let Poll::Ready(result) = self.poll_result(&mut Context::from_waker(Waker::noop()))
        {
            return Some(result);
        }
        let join = self.control_mut()?;
        join.unlink();
        join.detach();
        self.release();
        None
    }
}
