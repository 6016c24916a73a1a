//! Waiting for many tasks with one deadline, while the caller keeps their handles.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::deadline::Deadline;
use super::handle::{Task, default_limit};
use crate::exit::Exit;
use crate::process::{HeldValues, Shutdown, ends_at_this_await};
use crate::timeout::Timeout;

/// What [`Task::yield_many`] does with the tasks that still run when its timeout elapses.
///
/// # Elixir
///
/// The option `:on_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// The tasks continue to run, and their handles can be used as before. The default.
    #[default]
    Nothing,
    /// The tasks continue to run, and their handles are detached as by [`Task::ignore`].
    Ignore,
    /// The tasks are killed, and have ended or are abandoned when the call returns.
    KillTask,
}

impl<T: Send + 'static> Task<T> {
    /// Waits until all tasks have ended, until [`limit`](YieldMany::limit) of them have ended, or until the timeout
    /// elapses. The caller keeps the handles.
    ///
    /// Returns one entry for each handle, in order: `Some` with the result, which is taken from the handle, or `None` if
    /// the wait ended before the task, if the wait killed the task, or if the result had been taken earlier. See [`YieldMany`] for the
    /// options.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the results that it has already taken.
    ///
    /// # Elixir
    ///
    /// `Task.yield_many/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{OnTimeout, Task};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let mut tasks = [1, 30].map(|s| Task::spawn(async move {
    ///         tokio::time::sleep(Duration::from_secs(s)).await;
    ///         s
    ///     }));
    ///     let results = Task::yield_many(&mut tasks).timeout(Duration::from_secs(2)).on_timeout(OnTimeout::KillTask).await;
    ///     assert_eq!(results, [Some(Ok(1)), None]);
    /// });
    /// ```
    pub fn yield_many(tasks: &mut [Task<T>]) -> YieldMany<'_, T> {
        let timeout = default_limit(tasks.iter());
        let options = YieldManyOptions { tasks, timeout, limit: usize::MAX, on_timeout: OnTimeout::Nothing };
        YieldMany { state: YieldManyState::NotPolled(options) }
    }
}

/// Future of the results of several tasks. Returned by [`Task::yield_many`].
#[must_use = "the wait starts when it is awaited"]
pub struct YieldMany<'a, T> {
    state: YieldManyState<'a, T>,
}

/// One entry for each handle.
type Results<T> = Vec<Option<Result<T, Exit>>>;

enum YieldManyState<'a, T> {
    NotPolled(YieldManyOptions<'a, T>),
    Waiting(Pin<Box<dyn Future<Output = Results<T>> + Send + 'a>>),
    Ended,
}

struct YieldManyOptions<'a, T> {
    tasks: &'a mut [Task<T>],
    timeout: Timeout,
    limit: usize,
    on_timeout: OnTimeout,
}

/// The setters have no effect after the first poll.
impl<T> YieldMany<'_, T> {
    /// Sets how long to wait. Default: 5 s, or the [`await_limit`](crate::process::Builder::await_limit) of the runtime.
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.set(|options| options.timeout = timeout.into());
        self
    }

    /// Sets after how many results the wait ends; failures count as results. Default: all.
    ///
    /// A limit above the number of results that can still be taken has no effect. Reaching the limit is not a timeout:
    /// [`on_timeout`](YieldMany::on_timeout) does not apply to the other tasks.
    pub fn limit(mut self, limit: usize) -> Self {
        self.set(|options| options.limit = limit);
        self
    }

    /// Sets what happens to the tasks that still run when the timeout elapses. Default: [`OnTimeout::Nothing`].
    pub fn on_timeout(mut self, on_timeout: OnTimeout) -> Self {
        self.set(|options| options.on_timeout = on_timeout);
        self
    }

    fn set(&mut self, set: impl FnOnce(&mut YieldManyOptions<'_, T>)) {
        if let YieldManyState::NotPolled(options) = &mut self.state {
            set(options);
        }
    }
}

impl<T: Send + 'static> Future for YieldMany<'_, T> {
    type Output = Vec<Option<Result<T, Exit>>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if ends_at_this_await(cx) {
            return Poll::Pending;
        }
        let mut waiting: Pin<Box<dyn Future<Output = Results<T>> + Send + '_>> =
            match std::mem::replace(&mut self.state, YieldManyState::Ended) {
                YieldManyState::NotPolled(options) => Box::pin(yield_many(options)),
                YieldManyState::Waiting(waiting) => waiting,
                YieldManyState::Ended => panic!("polled again after it was ready"),
            };
        match waiting.as_mut().poll(cx) {
            Poll::Ready(results) if ends_at_this_await(cx) => {
                // A later poll with another waker, such as that of a `block_on` in a destructor, returns the results. `HeldValues` drops each
                // result on its own: two destructors that panic in one drop would abort the program.
                let held = HeldValues::from_iter(results);
                waiting = Box::pin(async move { held.into_vec() });
            }
            Poll::Ready(results) => return Poll::Ready(results),
            Poll::Pending => {}
        }
        self.state = YieldManyState::Waiting(waiting);
        Poll::Pending
    }
}

impl<T> fmt::Debug for YieldMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("YieldMany");
        if let YieldManyState::NotPolled(options) = &self.state {
            debug
                .field("tasks", &options.tasks.len())
                .field("timeout", &options.timeout)
                .field("limit", &options.limit)
                .field("on_timeout", &options.on_timeout);
        }
        debug.finish_non_exhaustive()
    }
}

/// Why a wait for several tasks ended.
#[derive(PartialEq)]
enum WaitEnd {
    /// The limit was reached, or all tasks have ended.
    EnoughResults,
    TimeoutElapsed,
}

async fn yield_many<T: Send>(options: YieldManyOptions<'_, T>) -> Results<T> {
    let YieldManyOptions { tasks, timeout, limit, on_timeout } = options;
    let mut held: HeldValues<_> = tasks.iter().map(|_| None).collect();
    let results = held.as_mut_slice();
    let limit = limit.min(tasks.iter().filter(|task| !task.is_taken()).count());
    let mut n_results = 0;
    // If no handle refers to a process, all results are known, and the deadline is never polled.
    let mut deadline =
        tasks.iter().find_map(Task::control).map_or(Deadline::Never, |join| Deadline::new(&join.runtime(), timeout));
    let mut running: FuturesUnordered<_> = tasks
        .iter_mut()
        .enumerate()
        .filter(|(_, task)| !task.is_taken())
        .map(|(idx, task)| poll_fn(move |cx| task.poll_result(cx).map(|result| (idx, result))))
        .collect();
    let wait_end = poll_fn(|cx| {
        while n_results < limit {
            match running.poll_next_unpin(cx) {
                Poll::Ready(next) => {
                    let (idx, result) = next.expect("`limit` is at most the number of futures in `running`");
                    results[idx] = Some(result);
                    n_results += 1;
                }
                Poll::Pending => return deadline.poll(cx).map(|()| WaitEnd::TimeoutElapsed),
            }
        }
        Poll::Ready(WaitEnd::EnoughResults)
    })
    .await;
    drop(running);
    if wait_end == WaitEnd::TimeoutElapsed {
        // Processes that have exited do not time out: their results are about to arrive.
        for (task, result) in tasks.iter_mut().zip(&mut *results) {
            if result.is_none() && !task.is_taken() && task.is_finished() && n_results < limit {
                *result = task.yield_for(Timeout::Infinity).await;
                n_results += 1;
            }
        }
        let running = tasks.iter_mut().zip(&mut *results).filter(|(task, result)| result.is_none() && !task.is_taken());
        // If the results of processes that had exited have reached the limit, that is no timeout.
        let on_timeout = if n_results == limit { OnTimeout::Nothing } else { on_timeout };
        match on_timeout {
            OnTimeout::Nothing => {}
            OnTimeout::Ignore => running.for_each(|(task, result)| *result = task.take_or_detach()),
            OnTimeout::KillTask => {
                let kills = running.map(|(task, result)| async move { *result = task.end(Shutdown::BrutalKill).await });
                join_all(kills).await;
            }
        }
    }
    held.into_vec()
}
