//! `Task<T>`: the handle, its await, and its drop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::deadline;
use super::join::{JoinControl, OrExit, PollJoin, ProcessJoin, flatten};
use super::large_output::UnboxedOutput;
use crate::exit::{Exit, IntoExit, NamedLimit, Refusal, TimedOut};
use crate::pid::Pid;
use crate::process::{ProcessReply, discard_in_turn, ends_at_this_await, named_limit};
use crate::timeout::{CompactTimeout, Timeout};

/// An owned handle to a process that runs one future.
///
/// Awaiting the handle returns `Ok` with the output of the future, or `Err` with the [`Exit`] that says why there is no output:
/// a panic, a kill, or the timeout of the await. The timeout is 5 s, unless [`timeout`](Task::timeout) or, for a whole runtime,
/// [`await_limit`](crate::process::Builder::await_limit) sets another one. It counts from the first poll that finds no result. When it
/// elapses, the await returns [`Exit::Timeout`], and the process is treated as after a drop of the handle. A result that has already
/// arrived never times out.
///
/// `&mut task` can be awaited in `select!` and `join_all`. Awaiting a handle whose result was taken returns
/// [`Exit::NoProcess`].
///
/// Dropping the handle asks the process to shut down, and does not wait for its end; a process of
/// [`spawn_nolink`](crate::TaskSupervisor::spawn_nolink) continues to run. To wait for the end, call
/// [`shutdown`](Task::shutdown); under `#[tokio::main]` nothing else waits for the task when the program ends.
///
/// | to | call |
/// |---|---|
/// | run a future in parallel and use its output | [`Task::spawn`], then `.await` |
/// | fail together with the task | [`Task::spawn_link`] |
/// | let a future run on without a handle | [`Task::start`] |
/// | the same, linked to this process | [`Task::start_link`] |
/// | check for the result, and keep the handle if there is none yet | [`Task::yield_for`] |
/// | end the task, and wait until it has ended | [`Task::shutdown`] |
/// | drop the handle without ending the task | [`Task::ignore`] |
/// | wait for many tasks | [`Task::await_many`], [`Task::yield_many`], [`Task::async_stream`] |
///
/// # Cancel safety
///
/// Awaiting `&mut task` is cancel safe: dropping that future loses nothing. Dropping the task itself asks the process to
/// shut down.
///
/// # Elixir
///
/// `%Task{}` and `Task.await/2`. There, only the process that spawned the task can await it, and a failure ends that
/// process. Here, a handle can be moved to another owner, and a failure is a value.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task};
/// use std::time::Duration;
///
/// cordial::testing::run(async {
///     assert_eq!(Task::spawn(async { 6 * 7 }).await, Ok(42));
///
///     let slow = Task::spawn(std::future::pending::<()>()).timeout(Duration::from_secs(60));
///     assert!(matches!(slow.await, Err(Exit::Timeout(_))));
/// });
/// ```
#[must_use = "dropping a Task shuts it down; use Task::start for fire-and-forget"]
pub struct Task<T> {
    state: TaskState<T>,
    /// Counts from the first poll that finds no result.
    timeout: CompactTimeout,
}

enum TaskState<T> {
    Running(ProcessJoin<T>),
    /// Running, after `or_exit`, or with a large output.
    Mapped(Box<dyn PollJoin<T>>),
    /// The result is known without a process: the task was made by `completed` or refused, or `poll_result` has kept
    /// its failure.
    Ready(ReadyResult<T>),
    /// The result was taken, or the handle was released.
    Taken,
}

/// A known result. It may hold another task whose result is known, and so on: a long chain of them does not overflow the stack when
/// it is dropped.
struct ReadyResult<T> {
    /// `None` once it was taken.
    result: Option<Result<T, Exit>>,
    /// Drops the result. A function pointer that `new` and `failed` store, because the destructor of a task cannot have the bound `T: 'static`.
    drop_result: fn(Result<T, Exit>),
}

impl<T: 'static> ReadyResult<T> {
    fn new(result: Result<T, Exit>) -> ReadyResult<T> {
        ReadyResult { result: Some(result), drop_result: discard_in_turn }
    }
}

impl<T> ReadyResult<T> {
    fn failed(exit: Exit) -> ReadyResult<T> {
        let drop_result = |result| {
            if let Err(exit) = result {
                discard_in_turn(exit);
            }
        };
        ReadyResult { result: Some(Err(exit)), drop_result }
    }
}

impl<T> Drop for ReadyResult<T> {
    fn drop(&mut self) {
        if let Some(result) = self.result.take() {
            (self.drop_result)(result);
        }
    }
}

impl<T> Unpin for Task<T> {}

impl<T> Task<T> {
    /// Sets the timeout of the await. Default: 5 s, or the [`await_limit`](crate::process::Builder::await_limit) of the runtime.
    /// If an await has begun, the new timeout counts from its next poll. A timeout of a second or more may elapse up to 20 ms late.
    ///
    /// # Elixir
    ///
    /// The second argument of `Task.await/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Task, Timeout};
    ///
    /// let task = Task::spawn(async { 1 }).timeout(Timeout::Infinity);
    /// assert_eq!(task.wait(), Ok(1));
    /// ```
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Task<T> {
        match &mut self.state {
            TaskState::Running(join) => join.reset_timeout(),
            TaskState::Mapped(join) => join.control_mut().reset_timeout(),
            TaskState::Ready(_) | TaskState::Taken => {}
        }
        Task { timeout: limit.into().into(), ..self }
    }

    /// `limit` is the timeout of the await.
    pub(super) fn from_join(join: ProcessJoin<T>, limit: CompactTimeout) -> Task<T> {
        Task { state: TaskState::Running(join), timeout: limit }
    }

    /// Creates a handle whose result is this failure.
    pub(super) fn failed(exit: Exit) -> Task<T> {
        Task { state: TaskState::Ready(ReadyResult::failed(exit)), timeout: Timeout::default().into() }
    }

    /// Returns whether the result was taken, or the handle was released.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.state, TaskState::Taken)
    }

    /// Drops the join handle, if there is one. If the process has not ended and was not detached, it is asked to shut down.
    pub(super) fn release(&mut self) {
        self.state = TaskState::Taken;
    }

    /// Takes a result that is known without a process.
    pub(super) fn take_ready(&mut self) -> Option<Result<T, Exit>> {
        match std::mem::replace(&mut self.state, TaskState::Taken) {
            TaskState::Ready(mut known) => known.result.take(),
            other => {
                self.state = other;
                None
            }
        }
    }
}

impl<T: 'static> Task<T> {
    /// Creates the handle of a process whose output is in a box.
    pub(super) fn from_boxed_join(join: ProcessJoin<Box<T>>, limit: CompactTimeout) -> Task<T>
    where
        T: Send,
    {
        Task { state: TaskState::Mapped(Box::new(UnboxedOutput::new(join))), timeout: limit }
    }

    pub(super) fn from_result(result: Result<T, Exit>) -> Task<T> {
        Task { state: TaskState::Ready(ReadyResult::new(result)), timeout: Timeout::default().into() }
    }
}

impl<T: Send> Task<T> {
    /// Returns the pid of the process. No process has this pid if the task is from [`Task::completed`] or was refused, or if its
    /// result was taken.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.control().map_or(Pid::NO_PROCESS, JoinControl::pid)
    }

    /// Returns whether the process has ended. `true` if there is no process.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.control().is_none_or(|join| join.is_finished() || join.has_exited())
    }

    /// Returns the join handle of the process, or `None` if there is no process to wait for.
    pub(super) fn control(&self) -> Option<&dyn JoinControl> {
        match &self.state {
            TaskState::Running(join) => Some(join),
            TaskState::Mapped(join) => Some(join.control()),
            TaskState::Ready(_) | TaskState::Taken => None,
        }
    }

    pub(super) fn control_mut(&mut self) -> Option<&mut dyn JoinControl> {
        match &mut self.state {
            TaskState::Running(join) => Some(join),
            TaskState::Mapped(join) => Some(join.control_mut()),
            TaskState::Ready(_) | TaskState::Taken => None,
        }
    }

    /// Polls for the result. The timeout of the await does not apply. If the task has failed and the awaiting
    /// process ends at this await, returns `Pending` and keeps the failure.
    #[inline]
    pub(super) fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        if let TaskState::Running(_) = self.state { self.poll_running(cx) } else { self.poll_other(cx) }
    }

    /// Polls a task in the state `Running`. The stack frame of this function may hold several copies of a result. They are small, since
    /// a task with a large result is `Mapped`.
    #[inline]
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        let TaskState::Running(join) = &mut self.state else { unreachable!("called only in this state") };
        let mut reply = None;
        ready!(join.poll_reply(cx, &mut reply));
        // Each arm returns for itself: a `Result` that is the value of the `match` would be copied once more.
        match reply.map(ProcessReply::take) {
            Some(Ok(value)) => {
                self.state = TaskState::Taken;
                Poll::Ready(Ok(value))
            }
            Some(Err(exit)) => self.fail(exit, cx),
            None => self.fail(Exit::Refused(Refusal::Forked), cx),
        }
    }

    /// Polls a task in any other state.
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        let result = match &self.state {
            TaskState::Mapped(_) => ready!(self.poll_mapped(cx)),
            _ => self.take_ready().unwrap_or(Err(Exit::NoProcess)),
        };
        match result {
            Err(exit) => self.fail(exit, cx),
            value => Poll::Ready(value),
        }
    }

    /// Ends the await with a failure, unless the process that awaits ends here.
    fn fail(&mut self, exit: Exit, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        if ends_at_this_await(cx) {
            self.state = TaskState::Ready(ReadyResult::failed(exit));
            return Poll::Pending;
        }
        self.state = TaskState::Taken;
        Poll::Ready(Err(exit))
    }

    /// Polls the join handle of a mapped task. The handle is taken out meanwhile: if the conversion of an error panics, the result
    /// is gone, and the task is as after an await.
    fn poll_mapped(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        let TaskState::Mapped(mut join) = std::mem::replace(&mut self.state, TaskState::Taken) else {
            unreachable!("called only for a mapped task")
        };
        let polled = join.poll(cx);
        if polled.is_pending() {
            self.state = TaskState::Mapped(join);
        }
        polled
    }

    /// Describes this task for [`Exit::Timeout`].
    pub(super) fn timed_out(&self, limit: NamedLimit) -> TimedOut {
        let known = self.control().and_then(|join| deadline::timed_out(&join.runtime(), join.pid(), limit));
        known.unwrap_or_else(|| TimedOut::new(limit, self.pid(), None, None))
    }
}

impl<U: Send + 'static, E: Send + 'static> Task<Result<U, E>> {
    /// Turns an inner `Err` into an [`Exit::Error`], so that one `?` is enough. An error that is an [`Exit`] becomes that
    /// exit.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(async { "x".parse::<i32>() }).or_exit();
    ///     assert_eq!(task.await.unwrap_err().to_string(), "invalid digit found in string");
    /// });
    /// ```
    pub fn or_exit(mut self) -> Task<U>
    where
        E: IntoExit,
    {
        let state = match std::mem::replace(&mut self.state, TaskState::Taken) {
            TaskState::Running(join) => TaskState::Mapped(Box::new(OrExit::new(join))),
            TaskState::Mapped(join) => TaskState::Mapped(Box::new(OrExit::new(join))),
            TaskState::Ready(mut known) => match known.result.take() {
                Some(result) => TaskState::Ready(ReadyResult::new(flatten(result))),
                None => TaskState::Taken,
            },
            TaskState::Taken => TaskState::Taken,
        };
        Task { state, timeout: self.timeout }
    }
}

impl<T: Send> Future for Task<T> {
    type Output = Result<T, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        if let Poll::Ready(result) = self.poll_result(cx) {
            return Poll::Ready(result);
        }
        let limit = self.timeout.get();
        // `None`: the task has failed, and `poll_result` has kept the failure, because the awaiting process ends at this await.
        let Some(join) = self.control_mut() else { return Poll::Pending };
        // The first poll that gets here arms the timeout. A process that has exited does not time out: its result is about to arrive
        // and to wake the caller.
        if join.poll_timeout(limit, cx).is_pending() || self.is_finished() {
            return Poll::Pending;
        }
        let timed_out = self.timed_out(named_limit(limit));
        self.release();
        Poll::Ready(Err(Exit::Timeout(timed_out)))
    }
}

impl<T: Send> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("pid", &self.pid()).field("is_finished", &self.is_finished()).finish()
    }
}

/// Returns how long a list of tasks is awaited by default: the `await_limit` of the runtime of the first task that has a process, or
/// else 5 s.
pub(super) fn default_limit<'a, T: Send + 'a>(mut tasks: impl Iterator<Item = &'a Task<T>>) -> Timeout {
    let runtime = tasks.find_map(Task::control).map(JoinControl::runtime);
    runtime.map_or_else(Timeout::default, |runtime| runtime.await_limit().get())
}

#[cfg(test)]
mod tests;
