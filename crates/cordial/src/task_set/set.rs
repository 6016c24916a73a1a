//! `TaskSet`: tasks of one kind with one owner.

use std::convert::identity;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use slab::Slab;
use tokio::sync::Semaphore;

use super::arrivals::{Arrival, Arrivals, Delivery};
use crate::exit::{Exit, IntoExit, Refusal};
use crate::pid::Pid;
use crate::process::{Handle, Spawn, box_if_large, ends_at_this_await, with_spawning_runtime};

/// Tasks of one kind with one owner. Their results are taken as they end.
///
/// Dropping the set asks all its tasks to shut down. It is a [`Stream`] of results as well, which ends when the set is empty.
///
/// | to | call |
/// |---|---|
/// | take the results one by one | [`next`](TaskSet::next) |
/// | take the first value, and give the others up | [`first_ok`](TaskSet::first_ok) |
/// | take all values, or the first failure | [`all`](TaskSet::all) |
/// | end all tasks, and wait for their ends | [`shutdown`](TaskSet::shutdown) |
///
/// The results have no limit: the limit of an await is for one task. For the items of an iterator, with a timeout for each, retries
/// and results in input order, use [`Task::async_stream`](crate::Task::async_stream).
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
    pub(super) running: Slab<Running>,
    /// Taken from the arrivals, in reverse order.
    batch: Vec<Arrival<O>>,
    arrivals: Arc<Arrivals<O>>,
    /// The tasks that were refused, and a failure that was not returned because the process of the consumer ends.
    failed: Vec<(u64, Exit)>,
    pub(super) runtime: Option<Handle>,
    permits: Option<Arc<Semaphore>>,
    n_spawned: u64,
    convert: fn(Result<O, Exit>) -> Result<T, Exit>,
}

/// A task whose result was not taken.
pub(super) struct Running {
    pub(super) pid: Pid,
    /// Its place in the order of the spawns.
    number: u64,
}

impl<T: Send + 'static> TaskSet<T> {
    /// Creates an empty set.
    pub fn new() -> TaskSet<T> {
        TaskSet {
            running: Slab::new(),
            batch: Vec::new(),
            arrivals: Arrivals::new(),
            failed: Vec::new(),
            runtime: None,
            permits: None,
            n_spawned: 0,
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
    /// Turns an inner `Err` of each result into an [`Exit::Error`], also of results that have arrived. Futures that are spawned
    /// later still output a `Result`.
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
        let TaskSet { running, batch, arrivals, failed, runtime, permits, n_spawned, .. } = &mut self;
        TaskSet {
            running: std::mem::take(running),
            batch: std::mem::take(batch),
            arrivals: std::mem::replace(arrivals, Arrivals::new()),
            failed: std::mem::take(failed),
            runtime: runtime.take(),
            permits: permits.take(),
            n_spawned: *n_spawned,
            convert: flatten,
        }
    }
}

fn flatten<U, E: IntoExit>(result: Result<Result<U, E>, Exit>) -> Result<U, Exit> {
    result.and_then(|value| value.map_err(|error| Exit::from(error.into_boxed())))
}

impl<T, O: Send + 'static> TaskSet<T, O> {
    /// Sets how many tasks run at once. The others wait, in the order of their spawns: each is a process already, with a pid, but
    /// its future is not polled. Default: no limit. To be set before the first spawn; later calls are for later spawns.
    ///
    /// # Panics
    ///
    /// If `n` is 0, since no task would ever run.
    #[track_caller]
    pub fn max_concurrency(mut self, n: usize) -> TaskSet<T, O> {
        assert!(n > 0, "`max_concurrency(0)` would run no task; use at least 1");
        self.permits = Some(Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS))));
        self
    }

    /// Starts a task in the set, and returns its pid. If the runtime refuses it, its result is [`Exit::Refused`], and no process has
    /// the pid.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        let spawned_at = Location::caller();
        match self.permits.clone() {
            None => box_if_large!(future: F => self.start(spawned_at, future)),
            Some(permits) => {
                let future = async move {
                    // The semaphore is never closed, so an error does not happen.
                    let _permit = permits.acquire_owned().await;
                    future.await
                };
                self.start_boxed(spawned_at, future)
            }
        }
    }

    fn start_boxed<F>(&mut self, spawned_at: &'static Location<'static>, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        box_if_large!(future: F => self.start(spawned_at, future))
    }

    fn start<F>(&mut self, spawned_at: &'static Location<'static>, future: F) -> Pid
    where
        F: Future<Output = O> + Send + 'static,
    {
        let number = self.n_spawned;
        self.n_spawned += 1;
        let entry = self.running.vacant_entry();
        let delivery = Delivery { arrivals: self.arrivals.clone(), slot: entry.key() };
        let spawn = Spawn::new(spawned_at);
        let started = match &self.runtime {
            Some(runtime) => spawn.start_detached(runtime, future, delivery),
            None => with_spawning_runtime(|runtime| {
                self.runtime = Some(runtime.clone());
                spawn.start_detached(runtime, future, delivery)
            })
            .unwrap_or_else(|refusal: Refusal| Err(refusal)),
        };
        match started {
            Ok(pid) => {
                entry.insert(Running { pid, number });
                pid
            }
            Err(refusal) => {
                self.failed.push((number, Exit::Refused(refusal)));
                Pid::NO_PROCESS
            }
        }
    }

    /// Waits for the result of the task that ends next. `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Exit>> {
        poll_fn(|cx| self.poll_any(cx)).await.map(|(_, result)| result)
    }

    /// Returns how many results have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len() + self.failed.len()
    }

    /// Returns whether all results have been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the next result, with the place of its task in the order of the spawns.
    pub(super) fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T, Exit>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        if !self.failed.is_empty() {
            if ends_at_this_await(cx) {
                return Poll::Pending;
            }
            let (number, exit) = self.failed.remove(0);
            return Poll::Ready(Some((number, Err(exit))));
        }
        if self.batch.is_empty() {
            ready!(self.arrivals.poll_take(&mut self.batch, cx.waker()));
            self.batch.reverse();
        }
        let Arrival { slot, reply } = self.batch.pop().expect("just filled");
        let Running { number, .. } = self.running.remove(slot);
        match (self.convert)(reply.take()) {
            // A process that has to end does not see the failure.
            Err(exit) if ends_at_this_await(cx) => {
                self.failed.push((number, exit));
                Poll::Pending
            }
            result => Poll::Ready(Some((number, result))),
        }
    }
}

impl<T, O> TaskSet<T, O> {
    /// Asks all tasks to shut down, and drops their results.
    fn give_up(&mut self) {
        if let Some(runtime) = &self.runtime {
            for (_, task) in &self.running {
                runtime.request_shutdown(task.pid);
            }
        }
        self.arrivals.close();
    }
}

impl<T, O: Send + 'static> Stream for TaskSet<T, O> {
    type Item = Result<T, Exit>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, Exit>>> {
        self.poll_any(cx).map(|next| next.map(|(_, result)| result))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.running.len(), Some(self.running.len() + self.failed.len()))
    }
}

impl<T, O> Unpin for TaskSet<T, O> {}

impl<T, O> Drop for TaskSet<T, O> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T, O> fmt::Debug for TaskSet<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet").field("running", &self.running.len()).finish_non_exhaustive()
    }
}
