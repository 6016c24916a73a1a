//! Awaiting many tasks with one deadline.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::deadline::Deadline;
use super::handle::{Task, default_limit};
use super::join::JoinControl;
use crate::exit::Exit;
use crate::process::{HeldValues, capped, ends_at_this_await, named_limit};
use crate::timeout::Timeout;

impl<T: Send + 'static> Task<T> {
    /// Awaits all tasks and returns their values in input order. One timeout applies to the whole list: 5 s, or the
    /// [`await_limit`](crate::process::Builder::await_limit) of the runtime, unless [`AwaitMany::timeout`] sets another one.
    /// The timeouts of the individual tasks do not apply.
    ///
    /// When a task fails, the future returns its exit at once; when the timeout elapses, it returns
    /// [`Exit::Timeout`]. In both cases the handles of the tasks that still run are dropped, which asks these tasks to shut down,
    /// except those of [`spawn_nolink`](crate::TaskSupervisor::spawn_nolink). An empty list is ready at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handles of the tasks, as above, and loses the values that have arrived.
    ///
    /// # Elixir
    ///
    /// `Task.await_many/2`. There, the other tasks continue to run and can no longer be awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let squares = Task::await_many((1..=3).map(|n| Task::spawn(async move { n * n }))).await;
    ///     assert_eq!(squares, Ok(vec![1, 4, 9]));
    /// });
    /// ```
    pub fn await_many(tasks: impl IntoIterator<Item = Task<T>>) -> AwaitMany<T> {
        let tasks: Vec<_> = tasks.into_iter().collect();
        let timeout = default_limit(tasks.iter());
        let values = tasks.iter().map(|_| None).collect();
        let running = tasks.into_iter().enumerate().map(|(idx, task)| Indexed { idx, task }).collect();
        AwaitMany { running, values: Some(values), timeout, deadline: None }
    }
}

/// Future of the values of many tasks. Returned by [`Task::await_many`].
#[must_use = "dropping it shuts down all tasks"]
pub struct AwaitMany<T> {
    running: FuturesUnordered<Indexed<T>>,
    /// The values that have arrived, by index in the input. `None` once this future was ready.
    values: Option<HeldValues<Option<T>>>,
    timeout: Timeout,
    /// Armed by the first poll that leaves a task pending. `None` before that, and without a timeout.
    deadline: Option<Deadline>,
}

/// A task and its index in the input.
struct Indexed<T> {
    idx: usize,
    task: Task<T>,
}

impl<T: Send> Future for Indexed<T> {
    type Output = (usize, Result<T, Exit>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let idx = self.idx;
        self.task.poll_result(cx).map(|result| (idx, result))
    }
}

impl<T> Unpin for AwaitMany<T> {}

impl<T> AwaitMany<T> {
    /// Sets the timeout of the whole list, counted from the first poll. Default: 5 s, or the
    /// [`await_limit`](crate::process::Builder::await_limit) of the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let stuck = [Task::spawn(std::future::pending::<()>())];
    ///     let values = Task::await_many(stuck).timeout(Duration::ZERO).await;
    ///     assert!(matches!(values, Err(Exit::Timeout(_))));
    /// });
    /// ```
    pub fn timeout(self, limit: impl Into<Timeout>) -> AwaitMany<T> {
        AwaitMany { timeout: limit.into(), deadline: None, ..self }
    }
}

impl<T: Send> Future for AwaitMany<T> {
    type Output = Result<Vec<T>, Exit>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<T>, Exit>> {
        if ends_at_this_await(cx) {
            return Poll::Pending;
        }
        let this = self.get_mut();
        let mut values = this.values.take().expect("polled again after it was ready");
        while let Poll::Ready(next) = this.running.poll_next_unpin(cx) {
            match next {
                Some((idx, Ok(value))) => values.as_mut_slice()[idx] = Some(value),
                Some((idx, Err(exit))) => {
                    this.running.clear();
                    if ends_at_this_await(cx) {
                        // A later poll with another waker, such as that of a `block_on` in a destructor, returns the failure.
                        this.running.push(Indexed { idx, task: Task::failed(exit) });
                        this.values = Some(values);
                        return Poll::Pending;
                    }
                    return Poll::Ready(Err(exit));
                }
                None => {
                    let values =
                        values.into_vec().into_iter().map(|value| value.expect("every task has returned a value"));
                    return Poll::Ready(Ok(values.collect()));
                }
            }
        }
        this.values = Some(values);
        // The process may have been killed since this poll has begun. Then the result of a task that has ended is not returned any more.
        if ends_at_this_await(cx) {
            return Poll::Pending;
        }
        let Timeout::After(_) = capped(this.timeout) else { return Poll::Pending };
        let running = &this.running;
        let deadline = this.deadline.get_or_insert_with(|| Deadline::new(&first(running).1.runtime(), this.timeout));
        // A process that has exited does not time out: its result is about to arrive and to wake the caller.
        if deadline.poll(cx).is_pending() || running.iter().any(|indexed| indexed.task.is_finished()) {
            return Poll::Pending;
        }
        let (first, _) = first(running);
        let timed_out = first.task.timed_out(named_limit(this.timeout)).with_others(running.len() - 1);
        this.running.clear();
        this.values = None;
        Poll::Ready(Err(Exit::Timeout(timed_out)))
    }
}

/// Returns the first task in input order that has a process, and its join handle. Looks at all tasks, so it is not for each poll.
fn first<T: Send>(running: &FuturesUnordered<Indexed<T>>) -> (&Indexed<T>, &dyn JoinControl) {
    // A task without a process is ready at its first poll, but `FuturesUnordered` may not have polled it yet.
    let with_process = running.iter().filter_map(|indexed| Some((indexed, indexed.task.control()?)));
    with_process.min_by_key(|(indexed, _)| indexed.idx).expect("a task is pending")
}

impl<T> fmt::Debug for AwaitMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitMany").field("running", &self.running.len()).field("timeout", &self.timeout).finish()
    }
}
