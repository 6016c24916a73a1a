//! The functions that start tasks.

use std::convert::identity;
use std::panic::Location;

use super::handle::Task;
use super::join::{Ownership, ProcessJoin};
use super::large_output::BoxOutput;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{
    InheritedScope, LARGEST_UNBOXED, Outcome, RuntimeHandle, Spawn, box_if_large, with_spawning_runtime,
};
use crate::telemetry;

impl<T: Send + 'static> Task<T> {
    /// Runs a future in a new process, in parallel with the caller, and returns the handle that owns the process.
    ///
    /// If the task crashes, the await returns an `Err`; the calling process is not affected. May be called anywhere: the task runs on
    /// the runtime of the calling process, or else on the runtime that started this thread, or else on the default runtime, which starts
    /// on first use. The polls of the task run in the current tracing span. If the runtime refuses the task, for example because it
    /// was shut down, the await returns [`Exit::Refused`]; [`Refusal`] lists the reasons.
    ///
    /// A future of more than 2 KiB is moved to the heap at once. On a thread with a stack of 2 MiB, as workers have, a future
    /// of 768 KiB can be spawned. The caller needs room for the future: a larger one has to be made on the heap, with `Box::pin`.
    ///
    /// # Panics
    ///
    /// If the default runtime has to start, and the operating system refuses a thread or a file for it.
    ///
    /// # Elixir
    ///
    /// `Task.async/1`, with failures as values instead of a link.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(async { 6 * 7 });
    ///     // other work
    ///     assert_eq!(task.await, Ok(42));
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(future: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut spawn = Spawn::new(Location::caller());
        box_if_large!(future: F => spawn_here(&mut spawn, future))
    }

    /// Does the same as [`spawn`](Task::spawn), and links the task to the calling process: if either
    /// exits with anything but [`Exit::Normal`], the other ends with the same exit,
    /// unless it traps exits. Outside a process there is no link.
    ///
    /// Dropping the handle removes the link before it asks the task to shut down, so that the exit of the task does not end
    /// the calling process.
    ///
    /// # Elixir
    ///
    /// `Task.async/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let parent = Task::spawn(async {
    ///         let _child: Task<()> = Task::spawn_link(async { panic!("no luck") });
    ///         std::future::pending::<()>().await
    ///     });
    ///     assert!(parent.await.unwrap_err().is_abnormal());
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_link<F>(future: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut spawn = Spawn::new(Location::caller()).linked();
        box_if_large!(future: F => spawn_here(&mut spawn, future))
    }

    /// Returns a task that already has its value. No process is started.
    ///
    /// # Elixir
    ///
    /// `Task.completed/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// let cached = Some(7);
    /// let task = match cached {
    ///     Some(value) => Task::completed(value),
    ///     None => Task::spawn(async { 6 + 1 }),
    /// };
    /// assert_eq!(task.wait(), Ok(7));
    /// ```
    pub fn completed(value: T) -> Task<T> {
        Task::from_result(Ok(value))
    }

    /// Spawns a future on `runtime`, with the options in `spawn`.
    pub(crate) fn spawn_on<F>(runtime: &RuntimeHandle, spawn: &mut Spawn, ownership: Ownership, future: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (spawned_at, supervisor) = (spawn.spawned_at, spawn.child_slot.as_ref().map(|slot| slot.parent().pid));
        let limit = runtime.await_limit();
        let task = if const { size_of::<T>() > LARGEST_UNBOXED } {
            let spawned = spawn.start(runtime, BoxOutput::new(future), Ok);
            spawned.map(|spawned| Task::from_boxed_join(ProcessJoin::new(spawned, ownership), limit))
        } else {
            let spawned = spawn.start(runtime, future, Ok);
            spawned.map(|spawned| Task::from_join(ProcessJoin::new(spawned, ownership), limit))
        };
        task.unwrap_or_else(|refusal| Task::refused(spawned_at, supervisor, refusal))
    }

    /// Returns a task without a process, whose result is the refusal. Emits the event `refused`.
    pub(crate) fn refused(
        spawned_at: &'static Location<'static>,
        supervisor: Option<Pid>,
        refusal: Refusal,
    ) -> Task<T> {
        telemetry::refused(spawned_at, supervisor, &refusal);
        Task::from_result(Err(Exit::Refused(refusal)))
    }
}

impl Task<()> {
    /// Runs a future in a new process without a handle, and returns its pid. The process runs until its future ends or a signal ends
    /// it. It is stopped when the root process of [`run`](crate::run) from which it descends has ended, and when the runtime shuts down.
    ///
    /// An `Err` is an abnormal exit, as a panic is: it is emitted as an event and delivered to monitors and links. If the
    /// runtime refuses the process, for one of the reasons of [`Refusal`], the event `refused` is emitted, and no
    /// process has the returned pid.
    ///
    /// # Panics
    ///
    /// As [`spawn`](Task::spawn) does.
    ///
    /// # Elixir
    ///
    /// `Task.start/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task, process};
    ///
    /// cordial::testing::run(async {
    ///     let pid = Task::start(async { /* count a page view */ });
    ///     assert_eq!(process::monitor(pid).await, Exit::Normal);
    /// });
    /// ```
    #[track_caller]
    pub fn start<F>(future: F) -> Pid
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let mut spawn = Spawn::new(Location::caller());
        box_if_large!(future: F => start_without_handle(&mut spawn, future))
    }

    /// Does the same as [`start`](Task::start), and links the new process to the calling one: if either exits with anything
    /// but [`Exit::Normal`], the other ends with the same exit, unless it traps exits. When the calling process ends
    /// normally, the new process continues to run.
    ///
    /// # Elixir
    ///
    /// `Task.start_link/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Task, process};
    ///
    /// cordial::testing::run(async {
    ///     let caller = Task::spawn(async { Task::start_link(std::future::pending::<()>()) });
    ///     let child = caller.await.unwrap();
    ///     assert!(process::info(child).is_some(), "its caller ended normally");
    ///     process::exit(child, Exit::Killed);
    /// });
    /// ```
    #[track_caller]
    pub fn start_link<F>(future: F) -> Pid
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let mut spawn = Spawn::new(Location::caller()).linked();
        box_if_large!(future: F => start_without_handle(&mut spawn, future))
    }
}

/// Spawns a future on the runtime of this thread.
pub(super) fn spawn_here<F>(spawn: &mut Spawn, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned_at = spawn.spawned_at;
    with_spawning_runtime(|runtime| Task::spawn_on(runtime, spawn, Ownership::Owned, future))
        .unwrap_or_else(|refusal| Task::refused(spawned_at, None, refusal))
}

pub(super) fn start_without_handle<F>(spawn: &mut Spawn, future: F) -> Pid
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    let spawned_at = spawn.spawned_at;
    spawn.scope = InheritedScope::Values;
    match with_spawning_runtime(|runtime| spawn.start(runtime, future, Outcome::into_result)).and_then(identity) {
        Ok(spawned) => spawned.pid,
        Err(refusal) => {
            telemetry::refused(spawned_at, None, &refusal);
            Pid::NO_PROCESS
        }
    }
}
