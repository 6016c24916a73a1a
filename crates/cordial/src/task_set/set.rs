//! `TaskSet`: tasks of one kind with one owner.

use std::collections::VecDeque;
use std::convert::identity;
use std::fmt;
use std::future::{pending, poll_fn, ready};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Context, Poll, Waker};

use futures_core::Stream;
use futures_util::future::Either;
use slab::Slab;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;

use super::result_queue::{ResultQueue, ResultSender, TaskResult};
use crate::exit::{Exit, IntoExit, Refusal};
use crate::pid::Pid;
use crate::process::{
    Group, GroupKey, GroupKind, Purpose, RuntimeHandle, Spawn, box_if_large, current, discard, ends_at_this_await,
    unlink_from_current, with_spawning_runtime,
};
use crate::task::flatten;
use crate::telemetry;

/// Tasks of one kind with one owner. Their results are taken as they end.
///
/// Dropping the set asks all its tasks to shut down; those that wait for their turn do not begin. The set is a [`Stream`] of results as
/// well, which ends when the set is empty.
///
/// | to | call |
/// |---|---|
/// | take the results one by one | [`next`](TaskSet::next) |
/// | take the first value, and shut the other tasks down | [`first_ok`](TaskSet::first_ok) |
/// | take all values, or the first failure | [`all`](TaskSet::all) |
/// | end all tasks, and wait for their ends | [`shutdown`](TaskSet::shutdown) |
///
/// A set waits for results without a limit: the default limit of 5 s is for the await of a single [`Task`](crate::Task). For
/// the items of an iterator, with a timeout for each, with retries, and with results in input order, use
/// [`Task::async_stream`](crate::Task::async_stream).
///
/// `T` is what the set returns, `O` what its futures output: [`or_exit`](TaskSet::or_exit) makes them differ.
///
/// # Elixir
///
/// A list of tasks and a `receive` for their results; `Task.yield_many/2` in a loop.
///
/// # Examples
///
/// ```
/// use cordial::TaskSet;
///
/// cordial::testing::run(async {
///     let mut squares = TaskSet::new().max_concurrency(8);
///     for n in 1..=100u64 {
///         squares.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(square) = squares.next().await {
///         sum += square.unwrap();
///     }
///     assert_eq!(sum, 338_350);
/// });
/// ```
#[must_use = "dropping a set shuts its tasks down"]
pub struct TaskSet<T, O = T> {
    pub(super) tasks: Slab<TaskInSet>,
    /// Results that were taken from the queue, in reverse order, so that `pop` returns the oldest.
    batch: Vec<TaskResult<O>>,
    queue: Arc<ResultQueue<O>>,
    /// Failures that are returned before the results of the queue: those of refused tasks, and one that was taken from the queue and not
    /// returned, because the process of the consumer ends.
    failed: VecDeque<(u64, Exit)>,
    pub(super) runtime: Option<RuntimeHandle>,
    /// One for each limit that was set and that tasks may wait for. The last one is for the tasks that are spawned next.
    permits: Vec<Arc<Semaphore>>,
    max_concurrency: Option<usize>,
    n_spawned: u64,
    /// The key of the set in the runtime's list of task sets.
    key: Option<GroupKey>,
    convert: fn(Result<O, Exit>) -> Result<T, Exit>,
}

/// A task whose result was not taken.
pub(super) struct TaskInSet {
    pub(super) pid: Pid,
    /// Its place in the order of the spawns.
    number: u64,
}

impl<T: Send + 'static> TaskSet<T> {
    /// Creates an empty set.
    pub fn new() -> TaskSet<T> {
        TaskSet {
            tasks: Slab::new(),
            batch: Vec::new(),
            queue: ResultQueue::new(),
            failed: VecDeque::new(),
            runtime: None,
            permits: Vec::new(),
            max_concurrency: None,
            n_spawned: 0,
            key: None,
            convert: identity,
        }
    }
}

impl<T: Send + 'static> Default for TaskSet<T> {
    fn default() -> TaskSet<T> {
        TaskSet::new()
    }
}

impl<U: Send + 'static, E: IntoExit + Send + 'static> TaskSet<Result<U, E>> {
    /// Turns an inner `Err` of each result, including those that have arrived, into an [`Exit::Error`]; an error that is an
    /// [`Exit`] becomes that exit. Futures that are spawned later still output a `Result`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::TaskSet;
    ///
    /// cordial::testing::run(async {
    ///     let mut numbers = TaskSet::new().or_exit();
    ///     numbers.spawn(async { "x".parse::<u8>() });
    ///     numbers.spawn(async { "7".parse::<u8>() });
    ///     assert_eq!(numbers.first_ok().await, Ok(7));
    /// });
    /// ```
    pub fn or_exit(mut self) -> TaskSet<U, Result<U, E>> {
        let TaskSet { tasks, batch, queue, failed, runtime, permits, max_concurrency, n_spawned, key, .. } = &mut self;
        TaskSet {
            tasks: std::mem::take(tasks),
            batch: std::mem::take(batch),
            queue: std::mem::replace(queue, ResultQueue::new()),
            failed: std::mem::take(failed),
            runtime: runtime.take(),
            permits: std::mem::take(permits),
            max_concurrency: *max_concurrency,
            n_spawned: *n_spawned,
            key: key.take(),
            convert: flatten,
        }
    }
}

/// Returns a future of a permit. The future takes its place in the queue of the semaphore now, and not in its first poll: several
/// workers may poll tasks for the first time at once, in any order.
fn permit_in_turn(permits: Arc<Semaphore>) -> impl Future<Output = OwnedSemaphorePermit> + Send {
    let acquired = permits.clone().try_acquire_owned();
    let waits = async move {
        match permits.acquire_owned().await {
            Ok(permit) => permit,
            // The set is being dropped: it is about to ask this task to shut down.
            Err(_) => pending().await,
        }
    };
    let mut permit = acquired.map_or_else(|_| Either::Right(Box::pin(waits)), |permit| Either::Left(ready(permit)));
    if let Either::Right(waits) = &mut permit {
        // Unconstrained: in a task that has used up its budget of polls, tokio would not give it a place now.
        let first_poll = unconstrained(poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx))));
        let first = pin!(first_poll).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Poll::Ready(permit)) = first {
            return Either::Left(ready(permit));
        }
    }
    permit
}

/// Not generic, so that it is not compiled again for each type of set.
fn sort_by_number(failed: &mut [(u64, Exit)]) {
    failed.sort_unstable_by_key(|(number, _)| *number);
}

impl<T, O: Send + 'static> TaskSet<T, O> {
    /// Sets how many tasks run at once. The others wait, in the order of their spawns: each is a process already, with a pid,
    /// but its future is not polled. Default: no limit. Must be set before the first spawn: a later call creates a separate limit,
    /// for later spawns only.
    ///
    /// # Panics
    ///
    /// If `n` is 0, since no task would ever run.
    #[track_caller]
    pub fn max_concurrency(mut self, n: usize) -> TaskSet<T, O> {
        assert!(n > 0, "`max_concurrency(0)` would run no task; use at least 1");
        // Permits that no task has are dropped.
        self.permits.retain(|permits| Arc::strong_count(permits) > 1);
        self.permits.push(Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS))));
        self.max_concurrency = Some(n);
        self
    }

    /// Starts a task in the set, and returns its pid. If the runtime refuses the task, its result is [`Exit::Refused`], and no process
    /// has the pid.
    ///
    /// # Panics
    ///
    /// As [`Task::spawn`](crate::Task::spawn) does.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        let spawned_at = Location::caller();
        box_if_large!(future: F => self.start_in_turn(spawned_at, future))
    }

    /// Starts a task, which first waits for its turn if the number of tasks that run is limited.
    fn start_in_turn<F>(&mut self, spawned_at: &'static Location<'static>, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        // A forked process refuses the task, and another thread may have held the lock of the semaphore.
        let permits = self.permits.last().filter(|_| !self.is_forked()).cloned();
        let Some(permits) = permits else { return self.start(spawned_at, future) };
        let permit = permit_in_turn(permits);
        let in_turn = async move {
            let _permit = permit.await;
            future.await
        };
        self.start(spawned_at, in_turn)
    }

    fn start<F>(&mut self, spawned_at: &'static Location<'static>, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        let number = self.n_spawned;
        self.n_spawned += 1;
        let entry = self.tasks.vacant_entry();
        let sender = ResultSender { queue: self.queue.clone(), slot: entry.key() };
        let mut spawn = Spawn::new(spawned_at).purpose(Purpose::SetTask);
        let started = match &self.runtime {
            Some(runtime) => spawn.start_detached(runtime, future, sender),
            None => with_spawning_runtime(|runtime| {
                self.runtime = Some(runtime.clone());
                let group = Group {
                    number: 0,
                    owner: current(),
                    created_at: spawned_at,
                    since: 0,
                    max_concurrency: self.max_concurrency,
                    n_items: None,
                    counters: self.queue.clone(),
                };
                self.key = runtime.add_group(GroupKind::TaskSet, group);
                spawn.start_detached(runtime, future, sender)
            })
            .unwrap_or_else(|refusal| {
                telemetry::refused(spawned_at, None, &refusal);
                Err(refusal)
            }),
        };
        match started {
            Ok(pid) => {
                entry.insert(TaskInSet { pid, number });
                self.queue.count_spawn();
                pid
            }
            Err(refusal) => {
                self.failed.push_back((number, Exit::Refused(refusal)));
                Pid::NO_PROCESS
            }
        }
    }

    /// Waits for the next result, in the order in which the tasks end; tasks that were refused come first. `None` if the set is
    /// empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Exit>> {
        poll_fn(|cx| self.poll_any(cx)).await.map(|(_, result)| result)
    }

    /// Returns how many tasks are in the set: those that run, and those whose result was not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len() + self.failed.len()
    }

    /// Returns whether no task is in the set: all results have been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the next result, with the place of its task in the order of the spawns.
    pub(super) fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T, Exit>)>> {
        self.refuse_if_forked();
        if self.is_empty() {
            return Poll::Ready(None);
        }
        if !self.failed.is_empty() && ends_at_this_await(cx) {
            return Poll::Pending;
        }
        if let Some((number, exit)) = self.failed.pop_front() {
            return Poll::Ready(Some((number, Err(exit))));
        }
        if self.batch.is_empty() {
            task::ready!(self.queue.poll_take(&mut self.batch, cx.waker()));
            self.batch.reverse();
        }
        let TaskResult { slot, reply } = self.batch.pop().expect("just filled");
        self.queue.set_in_batch(self.batch.len());
        let TaskInSet { number, .. } = self.tasks.remove(slot);
        match (self.convert)(reply.take()) {
            // A process that has to end does not see the failure.
            Err(exit) if ends_at_this_await(cx) => {
                self.failed.push_back((number, exit));
                Poll::Pending
            }
            result => Poll::Ready(Some((number, result))),
        }
    }

    /// In a forked process, makes the result of each task a refusal: the tasks have stayed in the parent process, and another
    /// thread may have held the lock of the queue.
    fn refuse_if_forked(&mut self) {
        if !self.is_forked() || self.tasks.is_empty() {
            return;
        }
        self.batch.clear();
        let refused = std::mem::take(&mut self.tasks).into_iter();
        self.failed.extend(refused.map(|(_, task)| (task.number, Exit::Refused(Refusal::Forked))));
        sort_by_number(self.failed.make_contiguous());
    }
}

impl<T, O> TaskSet<T, O> {
    pub(super) fn is_forked(&self) -> bool {
        self.runtime.as_ref().is_some_and(RuntimeHandle::is_forked)
    }

    /// Asks all tasks to shut down, and drops their results. Does nothing in a forked process.
    fn give_up(&mut self) {
        if self.is_forked() {
            return;
        }
        for permits in &self.permits {
            // Closed before any task ends: otherwise the permit of that task would let a waiting task begin that was not asked yet.
            permits.close();
        }
        if let Some(runtime) = &self.runtime {
            for (_, task) in &self.tasks {
                unlink_from_current(runtime, task.pid);
                runtime.request_shutdown(task.pid);
            }
            if let Some(key) = self.key.take() {
                runtime.remove_group(key);
            }
        }
        self.queue.close(std::mem::take(&mut self.batch));
    }
}

impl<T, O: Send + 'static> Stream for TaskSet<T, O> {
    type Item = Result<T, Exit>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, Exit>>> {
        self.poll_any(cx).map(|next| next.map(|(_, result)| result))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T, O> Unpin for TaskSet<T, O> {}

impl<T, O> Drop for TaskSet<T, O> {
    fn drop(&mut self) {
        // Each on its own, because an error of the user may have a destructor that panics.
        std::mem::take(&mut self.failed).into_iter().for_each(discard);
        self.give_up();
    }
}

impl<T, O> fmt::Debug for TaskSet<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
