//! Waiting for many tasks at once, with one deadline.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::limit::Limit;
use super::{Task, Timeout};
use crate::exit::Exit;
use crate::process::Shutdown;

/// What becomes of the tasks that have not ended when [`Task::yield_many`] runs out of time.
///
/// # Elixir
///
/// The option `:on_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// They run on, and their handles stay good. The default.
    #[default]
    Nothing,
    /// They run on, and their handles are let go as by [`Task::ignore`].
    Ignore,
    /// They are killed, and have ended when the call returns.
    KillTask,
}

impl<T: Send + 'static> Task<T> {
    /// Awaits all, with one deadline for the whole list: 5 s unless [`AwaitMany::timeout`] says otherwise. The limits of
    /// the single tasks do not count.
    ///
    /// The values come in input order. When one task fails, or the deadline passes, the answer is that `Err`, at once,
    /// and the others are given up. An empty list is ready at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up all tasks and loses what they gave.
    ///
    /// # Elixir
    ///
    /// `Task.await_many/2`. There the others run on and can no longer be awaited.
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
        let waiting: FuturesUnordered<_> =
            tasks.into_iter().enumerate().map(|(idx, task)| Numbered { idx, task }).collect();
        let values = waiting.iter().map(|_| None).collect();
        AwaitMany { waiting, values, limit: Timeout::default(), armed: None }
    }

    /// Waits for several tasks until all have ended, or enough of them, or the time is up; the handles stay with the
    /// caller.
    ///
    /// For each handle, in order: `Some` with its result, which is taken, or `None` if it has not ended or its result
    /// was taken before. See [`YieldMany`] for the options.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the results that it had taken already.
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
        YieldMany { tasks, limit: Timeout::default(), wanted: usize::MAX, on_timeout: OnTimeout::Nothing }
    }
}

/// A future of all values. Made by [`Task::await_many`].
#[must_use = "dropping it gives up all tasks"]
pub struct AwaitMany<T> {
    waiting: FuturesUnordered<Numbered<T>>,
    values: Vec<Option<T>>,
    limit: Timeout,
    armed: Option<Limit>,
}

/// A task, and its place in the list.
struct Numbered<T> {
    idx: usize,
    task: Task<T>,
}

impl<T: Send> Future for Numbered<T> {
    type Output = (usize, Result<T, Exit>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let idx = self.idx;
        self.task.poll_answer(cx).map(|answer| (idx, answer))
    }
}

impl<T> Unpin for AwaitMany<T> {}

impl<T> AwaitMany<T> {
    /// Sets the one deadline for the whole list, counted from the first poll. Default: 5 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task};
    /// use std::time::Duration;
    ///
    /// cordial::testing::run(async {
    ///     let stuck = [Task::spawn(std::future::pending::<()>())];
    ///     let answer = Task::await_many(stuck).timeout(Duration::ZERO).await;
    ///     assert!(matches!(answer, Err(Exit::Timeout(_))));
    /// });
    /// ```
    pub fn timeout(self, limit: impl Into<Timeout>) -> AwaitMany<T> {
        AwaitMany { limit: limit.into(), armed: None, ..self }
    }
}

impl<T: Send> Future for AwaitMany<T> {
    type Output = Result<Vec<T>, Exit>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<T>, Exit>> {
        let this = self.get_mut();
        while let Poll::Ready(next) = this.waiting.poll_next_unpin(cx) {
            match next {
                Some((idx, Ok(value))) => this.values[idx] = Some(value),
                Some((_, Err(exit))) => {
                    this.waiting.clear();
                    return Poll::Ready(Err(exit));
                }
                None => return Poll::Ready(Ok(this.values.drain(..).flatten().collect())),
            }
        }
        let Timeout::After(limit) = this.limit else { return Poll::Pending };
        let Some(first) = this.waiting.iter().min_by_key(|waiting| waiting.idx) else { return Poll::Pending };
        let armed = this.armed.get_or_insert_with(|| Limit::new(first.task.runtime().as_ref(), this.limit));
        // Answers that are on their way wake this, and do not time out.
        if armed.poll(cx).is_pending() || this.waiting.iter().any(|waiting| waiting.task.is_finished()) {
            return Poll::Pending;
        }
        let timed_out = first.task.timed_out(limit).with_others(this.waiting.len() - 1);
        this.waiting.clear();
        Poll::Ready(Err(Exit::Timeout(timed_out)))
    }
}

impl<T> fmt::Debug for AwaitMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitMany").field("waiting", &self.waiting.len()).field("limit", &self.limit).finish()
    }
}

/// Options of a wait for several tasks, to be awaited. Made by [`Task::yield_many`].
#[must_use = "nothing is waited for before it is awaited"]
pub struct YieldMany<'a, T> {
    tasks: &'a mut [Task<T>],
    limit: Timeout,
    wanted: usize,
    on_timeout: OnTimeout,
}

impl<T> YieldMany<'_, T> {
    /// Sets how long to wait at most. Default: 5 s.
    pub fn timeout(self, limit: impl Into<Timeout>) -> Self {
        YieldMany { limit: limit.into(), ..self }
    }

    /// Sets how many results are enough; failures count. Default: all. More than there are tasks still worth waiting
    /// for means all of those. When it is reached, that is no timeout: the others are left alone.
    pub fn limit(self, wanted: usize) -> Self {
        YieldMany { wanted, ..self }
    }

    /// Sets what becomes of those that have not ended when the time is up. Default: [`OnTimeout::Nothing`].
    pub fn on_timeout(self, on_timeout: OnTimeout) -> Self {
        YieldMany { on_timeout, ..self }
    }
}

/// What a `YieldMany` becomes when it is awaited.
type Waiting<'a, T> = Pin<Box<dyn Future<Output = Vec<Option<Result<T, Exit>>>> + Send + 'a>>;

impl<'a, T: Send + 'static> IntoFuture for YieldMany<'a, T> {
    type Output = Vec<Option<Result<T, Exit>>>;
    type IntoFuture = Waiting<'a, T>;

    fn into_future(self) -> Waiting<'a, T> {
        Box::pin(yield_many(self))
    }
}

impl<T> fmt::Debug for YieldMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldMany")
            .field("tasks", &self.tasks.len())
            .field("timeout", &self.limit)
            .field("limit", &self.wanted)
            .field("on_timeout", &self.on_timeout)
            .finish()
    }
}

async fn yield_many<T: Send>(options: YieldMany<'_, T>) -> Vec<Option<Result<T, Exit>>> {
    let YieldMany { tasks, limit, wanted, on_timeout } = options;
    let mut results: Vec<Option<Result<T, Exit>>> = tasks.iter().map(|_| None).collect();
    let wanted = wanted.min(tasks.iter().filter(|task| !task.is_taken()).count());
    let mut taken = 0;
    let mut limit = tasks
        .iter()
        .find(|task| task.source().is_some())
        .map_or(Limit::Never, |task| Limit::new(task.runtime().as_ref(), limit));
    let mut waiting: FuturesUnordered<_> = tasks
        .iter_mut()
        .enumerate()
        .filter(|(_, task)| !task.is_taken())
        .map(|(idx, task)| poll_fn(move |cx| task.poll_answer(cx).map(|answer| (idx, answer))))
        .collect();
    let time_is_up = poll_fn(|cx| {
        while taken < wanted {
            match waiting.poll_next_unpin(cx) {
                Poll::Ready(Some((idx, answer))) => {
                    results[idx] = Some(answer);
                    taken += 1;
                }
                Poll::Ready(None) => break,
                Poll::Pending => return limit.poll(cx).map(|()| true),
            }
        }
        Poll::Ready(false)
    })
    .await;
    drop(waiting);
    if time_is_up {
        // Answers that are on their way do not time out.
        for (task, result) in tasks.iter_mut().zip(&mut results) {
            if result.is_none() && !task.is_taken() && task.is_finished() && taken < wanted {
                *result = task.yield_for(Timeout::Infinity).await;
                taken += 1;
            }
        }
        let late = tasks.iter_mut().zip(&mut results).filter(|(task, result)| result.is_none() && !task.is_taken());
        match on_timeout {
            OnTimeout::Nothing => {}
            OnTimeout::Ignore => late.for_each(|(task, result)| *result = task.let_go()),
            OnTimeout::KillTask => {
                join_all(late.map(|(task, result)| async move { *result = task.end(Shutdown::BrutalKill).await }))
                    .await;
            }
        }
    }
    results
}
