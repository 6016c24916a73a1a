//! Bringing tasks to life.

use std::panic::Location;

use super::Task;
use super::claim::{Claim, Tenure};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Handle, Outcome, Spawn, with_current_runtime};
use crate::telemetry;

impl<T: Send + 'static> Task<T> {
    /// Runs a future in a process of its own, in parallel with the caller, and gives the handle that owns it.
    ///
    /// A crash is the `Err` of the await and affects nobody else. Works from anywhere: inside a process it runs on the
    /// same runtime, elsewhere on the default one, which starts on first use. The current tracing span goes with it.
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
        let spawn = Spawn::new(Location::caller());
        with_current_runtime(|runtime| Task::launch(runtime, spawn, future))
    }

    /// As [`spawn`](Task::spawn), and linked: a crash of the task also ends the calling process with the same exit,
    /// unless that traps exits. Outside a process there is nobody to link to.
    ///
    /// Giving up the handle removes the link first, so that it never strikes back.
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
        let spawn = Spawn::new(Location::caller()).linked();
        with_current_runtime(|runtime| Task::launch(runtime, spawn, future))
    }

    /// A task that has its value already. No process is started.
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
        Task::answered(Ok(value))
    }

    fn launch<F>(runtime: &Handle, spawn: Spawn, future: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Task::launch_on(runtime, spawn, Tenure::Owned, future)
    }

    /// Spawns on a runtime, in the way that `spawn` says.
    pub(crate) fn launch_on<F>(runtime: &Handle, spawn: Spawn, tenure: Tenure, future: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (spawned_at, supervisor) = (spawn.spawned_at, spawn.child_slot.as_ref().map(|place| place.parent().pid));
        match spawn.start(runtime, future, Ok) {
            Ok(spawned) => Task::running(Claim::new(spawned, tenure)),
            Err(refusal) => Task::refused(spawned_at, supervisor, refusal),
        }
    }

    /// A task that was not started, and says so.
    pub(crate) fn refused(
        spawned_at: &'static Location<'static>,
        supervisor: Option<Pid>,
        refusal: Refusal,
    ) -> Task<T> {
        telemetry::refused(spawned_at, supervisor, &refusal);
        Task::answered(Err(Exit::Refused(refusal)))
    }
}

impl Task<()> {
    /// Runs a future in a process that nobody owns, and gives its pid. It runs to its end, or to that of the runtime.
    ///
    /// An `Err`, like a panic, is an abnormal exit: it is told to telemetry, to monitors and links.
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
        begin(Spawn::new(Location::caller()), future)
    }

    /// As [`start`](Task::start), and linked to the calling process: any exit of one but [`Exit::Normal`] ends the other
    /// with the same exit, unless it traps exits. After a normal end of the caller it runs on.
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
    ///     let caller = Task::spawn(async {
    ///         let child = Task::start_link(std::future::pending::<()>());
    ///         let watch = process::monitor(child);
    ///         (child, watch)
    ///     });
    ///     let (child, _watch) = caller.await.unwrap();
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
        begin(Spawn::new(Location::caller()).linked(), future)
    }
}

fn begin<F>(spawn: Spawn, future: F) -> Pid
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    let spawned_at = spawn.spawned_at;
    match with_current_runtime(|runtime| spawn.start(runtime, future, Outcome::into_result)) {
        Ok(spawned) => spawned.pid,
        Err(refusal) => {
            telemetry::refused(spawned_at, None, &refusal);
            Pid::NO_PROCESS
        }
    }
}
