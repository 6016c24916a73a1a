//! `Task<T>`: the handle, what it knows, and what happens when it is dropped or awaited.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Timeout;
use super::claim::{Claim, OrExit, Source, flatten, has_ended};
use super::timeout::Compact;
use crate::exit::{Exit, Location, TimedOut};
use crate::pid::Pid;
use crate::process::Handle;

/// The handle on a process that runs one future. It owns the process: awaiting it gives the value, dropping it asks the
/// process to shut down.
///
/// The await answers `Err` with the [`Exit`] when there is no value: a panic, a kill, or the limit, which is 5 s unless
/// [`timeout`](Task::timeout) says otherwise and counts from the first poll. When the limit passes, the handle is given
/// up as if it was dropped. A value that is already there never times out.
///
/// `&mut task` may be awaited in `select!` and `join_all`. A handle whose result was taken answers [`Exit::NoProcess`].
///
/// Dropping asks and does not wait. Whoever has to know that the task has ended calls [`shutdown`](Task::shutdown);
/// under `#[tokio::main]` nothing else waits for it when the program ends.
///
/// | to | call |
/// |---|---|
/// | run something beside and use its value | [`Task::spawn`], then `.await` |
/// | fail together with it | [`Task::spawn_link`] |
/// | let something run on alone | [`Task::start`] |
/// | let something run on, and end if this process crashes | [`Task::start_link`] |
/// | look whether it is done, and keep it if not | [`Task::yield_for`] |
/// | have it ended, and know that it has | [`Task::shutdown`] |
/// | let go of it without ending it | [`Task::ignore`] |
/// | many at once | [`Task::await_many`], [`Task::yield_many`], [`Task::async_stream`] |
///
/// # Cancel safety
///
/// Awaiting `&mut task` and dropping that future loses nothing. Dropping the task itself ends it.
///
/// # Elixir
///
/// `%Task{}` and `Task.await/2`. There the process that spawned must also await, and failures end it; here a handle may
/// move, and failures are values.
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
    state: State<T>,
    /// Counts from the first poll that finds no answer.
    limit: Compact,
}

enum State<T> {
    Running(Claim<T>),
    /// After `or_exit`.
    Mapped(Box<dyn Source<T>>),
    /// There is no process, or never was.
    Answered(Result<T, Exit>),
    /// The answer was taken, or the handle was given up.
    Taken,
}

impl<T> Unpin for Task<T> {}

impl<T> Task<T> {
    /// Sets the limit of the await. Default: 5 s.
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
    /// let patient = Task::spawn(async { 1 }).timeout(Timeout::Infinity);
    /// assert_eq!(patient.wait(), Ok(1));
    /// ```
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Task<T> {
        match &mut self.state {
            State::Running(claim) => claim.forget_limit(),
            State::Mapped(source) => source.forget_limit(),
            State::Answered(_) | State::Taken => {}
        }
        Task { limit: limit.into().into(), ..self }
    }

    pub(super) fn answered(answer: Result<T, Exit>) -> Task<T> {
        Task { state: State::Answered(answer), limit: Timeout::default().into() }
    }

    pub(super) fn running(claim: Claim<T>) -> Task<T> {
        Task { state: State::Running(claim), limit: Timeout::default().into() }
    }

    /// Whether the answer was taken, or the handle was given up.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.state, State::Taken)
    }

    /// Lets go of the process, if there is one: it is asked to shut down unless it was disowned.
    pub(crate) fn give_up(&mut self) {
        self.state = State::Taken;
    }

    /// The answer that needs no process to wait for.
    pub(super) fn take_answered(&mut self) -> Option<Result<T, Exit>> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Answered(answer) => Some(answer),
            other => {
                self.state = other;
                None
            }
        }
    }
}

impl<T: Send> Task<T> {
    /// The process. That of [`Task::completed`], and of a task that was refused, names nobody.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.source().map_or(Pid::NO_PROCESS, Source::pid)
    }

    /// Whether the process has ended, so that an await answers at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.source().is_none_or(|source| source.is_finished() || has_ended(source))
    }

    pub(super) fn source(&self) -> Option<&dyn Source<T>> {
        match &self.state {
            State::Running(claim) => Some(claim),
            State::Mapped(source) => Some(&**source),
            State::Answered(_) | State::Taken => None,
        }
    }

    pub(super) fn source_mut(&mut self) -> Option<&mut dyn Source<T>> {
        match &mut self.state {
            State::Running(claim) => Some(claim),
            State::Mapped(source) => Some(&mut **source),
            State::Answered(_) | State::Taken => None,
        }
    }

    /// The answer, whatever the limit of the await.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        let answer = match self.source_mut() {
            Some(source) => std::task::ready!(source.poll(cx)),
            None => self.take_answered().unwrap_or(Err(Exit::NoProcess)),
        };
        self.state = State::Taken;
        Poll::Ready(answer)
    }

    /// What is known of the process, for the report that it took too long.
    pub(super) fn timed_out(&self, limit: std::time::Duration) -> TimedOut {
        let known = self.source().and_then(|source| {
            source.runtime().with(source.pid(), |entry| (entry.label().cloned(), Location::from(entry.spawned_at)))
        });
        let (label, spawned_at) = known.map_or((None, None), |(label, place)| (label, Some(place)));
        TimedOut::new(limit, self.pid(), label, spawned_at)
    }

    pub(crate) fn runtime(&self) -> Option<Handle> {
        self.source().map(Source::runtime)
    }
}

impl<U: Send + 'static, E: Into<Box<dyn Error + Send + Sync>> + Send + 'static> Task<Result<U, E>> {
    /// Makes an inner `Err` an [`Exit::Error`], so that one `?` is enough. An error that is an `Exit` stays that exit.
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
    pub fn or_exit(mut self) -> Task<U> {
        let state = match std::mem::replace(&mut self.state, State::Taken) {
            State::Running(claim) => State::Mapped(Box::new(OrExit::new(claim))),
            State::Mapped(source) => State::Mapped(Box::new(OrExit::new(source))),
            State::Answered(answer) => State::Answered(flatten(answer)),
            State::Taken => State::Taken,
        };
        Task { state, limit: self.limit }
    }
}

impl<T: Send> Future for Task<T> {
    type Output = Result<T, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        if let Poll::Ready(answer) = self.poll_answer(cx) {
            return Poll::Ready(answer);
        }
        let Timeout::After(limit) = self.limit.get() else { return Poll::Pending };
        let is_due = self.source_mut().is_none_or(|source| source.poll_limit(limit, cx).is_ready());
        // An answer that is on its way wakes this, and does not time out.
        if !is_due || self.is_finished() {
            return Poll::Pending;
        }
        let timed_out = self.timed_out(limit);
        self.give_up();
        Poll::Ready(Err(Exit::Timeout(timed_out)))
    }
}

impl<T: Send> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("pid", &self.pid()).field("is_finished", &self.is_finished()).finish()
    }
}

#[cfg(test)]
mod tests;
