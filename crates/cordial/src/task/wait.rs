//! Waiting for one task: for a while, for its end, or not at all.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::claim::has_ended;
use super::limit::Limit;
use super::{Task, Timeout};
use crate::exit::Exit;
use crate::process::{ABANDON_AFTER, Shutdown, abandon, assert_may_block, block_on};

/// How often `ignore` looks again for an answer that is on its way.
const ABOUT_TO_ANSWER: usize = 10_000;

impl<T: Send> Task<T> {
    /// Awaits the task on a thread that may block. The limit of the await holds.
    ///
    /// Fine on plain threads, in `spawn_blocking`, and inside a process, where it counts as a long poll.
    ///
    /// # Errors
    ///
    /// As the await: the [`Exit`] of the task, or [`Exit::Timeout`].
    ///
    /// # Panics
    ///
    /// On a tokio worker and in a simulation, where blocking would stop everything.
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

    /// Waits up to a limit. `None`: it still runs, and the handle is as good as before. The limit of the await, which
    /// counts from the first await, is another matter.
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
        let mut limit = Limit::new(self.runtime().as_ref(), limit.into());
        poll_fn(|cx| match self.poll_answer(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // An answer that is on its way wakes this, and does not time out.
            Poll::Pending if limit.poll(cx).is_pending() || self.is_finished() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Ends the task and waits until it has ended, destructors included.
    ///
    /// `None`: it ended the way this call asked, with `Shutdown(None)`, or `Killed` for [`Shutdown::BrutalKill`].
    /// `Some(Ok)`: it had a value, or gave one in its grace time; a value always wins. `Some(Err)`: it ended some other
    /// way, or was killed after its grace. A link to the task is removed first. Of a handle whose result was taken:
    /// `Some(Err(NoProcess))`.
    ///
    /// If the poll of the task does not return, this answers `Some(Err(Killed))` 100 ms after the kill, and the process
    /// is *abandoned*: it ends when its poll returns. With [`Shutdown::Infinity`] it waits without limit.
    ///
    /// Monitors, links and events tell the first signal that ended the process, also where this gives a value that came in
    /// the same poll, or the kill that came after the request.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the request or the kill is in force. Dropping the future gives up the kill after the grace time.
    ///
    /// # Elixir
    ///
    /// `Task.shutdown/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Shutdown, Task};
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(std::future::pending::<()>());
    ///     assert_eq!(task.shutdown(Shutdown::default()).await, None);
    /// });
    /// ```
    pub async fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Option<Result<T, Exit>> {
        self.end(shutdown.into()).await
    }

    /// Takes what is there already, and lets go of the task: it runs on, and its value is dropped.
    ///
    /// `None`: it had not ended. The link, if any, is removed.
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
        self.let_go()
    }

    pub(super) fn let_go(&mut self) -> Option<Result<T, Exit>> {
        if let Some(answer) = self.take_answered() {
            return Some(answer);
        }
        let source = self.source_mut()?;
        if !source.is_finished() && has_ended(source) {
            // The process is out of the table, and the thread that ended it is about to put its answer down; unless that
            // thread is this one, in a subscriber or a waker.
            for _ in 0..ABOUT_TO_ANSWER {
                if source.is_finished() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        if source.is_finished()
            && let Poll::Ready(answer) = self.poll_answer(&mut Context::from_waker(Waker::noop()))
        {
            return Some(answer);
        }
        let source = self.source_mut()?;
        source.unlink();
        source.disown();
        self.give_up();
        None
    }

    /// Ends the task as `shutdown` says.
    pub(super) async fn end(&mut self, shutdown: Shutdown) -> Option<Result<T, Exit>> {
        if let Some(answer) = self.take_answered() {
            return Some(answer);
        }
        let Some(source) = self.source_mut() else { return Some(Err(Exit::NoProcess)) };
        source.unlink();
        let (pid, runtime) = (source.pid(), source.runtime());
        if shutdown != Shutdown::BrutalKill {
            runtime.request_shutdown(pid);
            let grace = match shutdown {
                Shutdown::After(grace) => Timeout::After(grace),
                Shutdown::BrutalKill | Shutdown::Infinity => Timeout::Infinity,
            };
            // Without any grace, request and kill come back to back.
            if grace != Timeout::After(Duration::ZERO)
                && let Some(answer) = self.yield_for(grace).await
            {
                return unless(answer, |exit| matches!(exit, Exit::Shutdown(None)));
            }
        }
        runtime.kill(pid);
        match self.yield_for(ABANDON_AFTER).await {
            Some(answer) if shutdown == Shutdown::BrutalKill => unless(answer, |exit| matches!(exit, Exit::Killed)),
            Some(answer) => unless(answer, |exit| matches!(exit, Exit::Shutdown(None))),
            None => {
                abandon(&runtime, pid);
                self.give_up();
                Some(Err(Exit::Killed))
            }
        }
    }
}

/// `None` for the end that was asked for.
fn unless<T>(answer: Result<T, Exit>, is_expected: fn(&Exit) -> bool) -> Option<Result<T, Exit>> {
    match answer {
        Err(exit) if is_expected(&exit) => None,
        other => Some(other),
    }
}
