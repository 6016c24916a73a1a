//! `Inspector`: reads and stops the processes of a runtime from a thread outside of it.
//!
//! What an inspector reads, it reads on the calling thread, which locks one entry of the process table at a time. So answers come even
//! while all workers are stuck in polls. The future of a stop needs no runtime of tokio. It needs the timer thread of the inspected
//! runtime for its limits, and workers of that runtime only to end the processes. A restart is made by the process of the supervisor.

mod answer;
mod groups;
mod long_poll;
mod stop;
mod totals;

use std::fmt;
use std::ops::ControlFlow;

use super::crashes::Crash;
use super::inspect::{ProcessInfo, ProcessSummary, Snapshot, Statistics, ThreadInfo, visit};
use super::runtime::{PollBucket, RuntimeHandle, current_runtime};
use super::shutdown::Shutdown;
use super::supervision::RestartError;
use crate::exit::Location;
use crate::pid::Pid;

pub use answer::{Ending, StopAnswer};
pub use groups::{StreamInfo, TaskSetInfo};
pub use long_poll::LongPoll;
pub use totals::Totals;

/// A handle on a runtime, for code outside of it that shows what runs. Cheap to clone, and usable on every thread.
///
/// An inspector does not keep a runtime running: when the [`Runtime`](crate::Runtime) is dropped, the runtime shuts down, and the
/// inspector shows the processes that have not ended yet. It does keep the memory of the process table.
///
/// The crate `cordial-observer` shows in a browser what an inspector reads.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use cordial::{Runtime, Task, process::ProcessKind};
///
/// let runtime = Runtime::builder().workers(2).build()?;
/// let inspector = runtime.inspector();
/// let n_tasks = runtime.block_on(async move {
///     let tasks: Vec<Task<()>> = (0..10).map(|_| Task::spawn(std::future::pending())).collect();
///     let mut n_tasks = 0;
///     // An observer does this on a thread of its own, which answers even while all processes compute.
///     let _ = inspector.visit(None, |process| {
///         n_tasks += usize::from(process.kind == ProcessKind::Task && process.caller.is_some());
///         ControlFlow::Continue(())
///     });
///     drop(tasks);
///     n_tasks
/// })?;
/// assert_eq!(n_tasks, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Inspector {
    runtime: RuntimeHandle,
}

/// Returns the inspector of the current runtime: the runtime of the calling process or thread, or else the default runtime, which
/// starts on first use. For another runtime, see [`Runtime::inspector`](crate::Runtime::inspector).
///
/// # Examples
///
/// ```
/// cordial::testing::run(async {
///     let own = cordial::process::current().unwrap();
///     assert!(cordial::process::inspector().info(own).is_some());
/// });
/// ```
#[must_use]
pub fn inspector() -> Inspector {
    Inspector::new(current_runtime())
}

impl Inspector {
    pub(super) fn new(runtime: RuntimeHandle) -> Inspector {
        Inspector { runtime }
    }

    /// Returns the number of the runtime: the first number of the pid of each of its processes. No two runtimes of a program have the
    /// same number.
    #[must_use]
    pub fn runtime_number(&self) -> u32 {
        self.runtime.number().get()
    }

    /// Returns whether the runtime was shut down or is being shut down, so that no process can be spawned on it any more. Also
    /// `true` in an OS process that was forked after the runtime was started.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.runtime.is_forked() || self.runtime.executor().is_closed()
    }

    /// Takes a snapshot of all processes. For very many processes, [`visit`](Inspector::visit) is cheaper.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.runtime)
    }

    /// Like [`snapshot`](Inspector::snapshot), but the [`details`](ProcessInfo::details) of each process are empty. So this calls no
    /// code of the program, which may wait for a lock of a process that is stuck.
    #[must_use]
    pub fn snapshot_without_details(&self) -> Snapshot {
        Snapshot::without_details(&self.runtime)
    }

    /// Returns what is known about a live process; `None` if it has ended or belongs to another runtime.
    #[must_use]
    pub fn info(&self, pid: Pid) -> Option<ProcessInfo> {
        ProcessInfo::of(&self.runtime, pid)
    }

    /// Like [`info`](Inspector::info), but [`details`](ProcessInfo::details) is empty. So this calls no code of the program, which may
    /// wait for a lock of a process that is stuck.
    #[must_use]
    pub fn info_without_details(&self, pid: Pid) -> Option<ProcessInfo> {
        ProcessInfo::without_details(&self.runtime, pid)
    }

    /// Returns the counters of the scheduler.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.runtime.executor().statistics()
    }

    /// Returns how many processes are alive, and how many have been spawned and have ended. Takes about ten nanoseconds for each
    /// slot of the process table, which has about as many slots as processes were ever alive at once. Allocates no memory.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of(&self.runtime)
    }

    /// Returns the threads that run processes, ordered by their numbers. Empty in a simulation.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadInfo> {
        ThreadInfo::all(&self.runtime)
    }

    /// Returns the polls that have lasted for a millisecond or more and have not returned, the longest first. Empty in a simulation.
    #[must_use]
    pub fn long_polls(&self) -> Vec<LongPoll> {
        LongPoll::all(&self.runtime)
    }

    /// Returns a histogram of how long the polls of the processes of one spawn location have lasted, ended processes included. Its
    /// buckets begin at 1 ms, and end with the longest poll. Empty if no poll of about a millisecond or more was seen, and in a
    /// simulation.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Task, process};
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(std::future::pending::<()>());
    ///     let spawned_at = process::info(task.pid()).unwrap().spawned_at;
    ///     assert!(process::inspector().poll_durations(&spawned_at).is_empty(), "a simulation measures no polls");
    /// });
    /// ```
    #[must_use]
    pub fn poll_durations(&self, spawned_at: &Location) -> Vec<PollBucket> {
        self.runtime.poll_durations(spawned_at)
    }

    /// Returns the streams that were polled and have not ended, the oldest first.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamInfo> {
        StreamInfo::all(&self.runtime)
    }

    /// Returns the task sets that have spawned a task and were not dropped, the oldest first.
    #[must_use]
    pub fn task_sets(&self) -> Vec<TaskSetInfo> {
        TaskSetInfo::all(&self.runtime)
    }

    /// Calls `f` with a summary of each live process, until `f` returns `Break`. With `after`, begins after that pid, at the next
    /// slot of the process table.
    ///
    /// The processes are ordered by pid, and those that are alive all the time are visited once. Processes that start or end
    /// meanwhile may be visited or not. Memory is allocated for each call, not for each process. `f` is called with no lock
    /// held, for a chunk of processes that were read before.
    pub fn visit(&self, after: Option<Pid>, mut f: impl FnMut(&ProcessSummary) -> ControlFlow<()>) -> ControlFlow<()> {
        visit(&self.runtime, after, &mut f)
    }

    /// Returns the most recent crashes whose [number](Crash::number) is above `after`, oldest first. At most 1000 are kept.
    ///
    /// If the number of the first one is not `after + 1`, those between were dropped.
    #[must_use]
    pub fn crashes(&self, after: u64) -> Vec<Crash> {
        if self.runtime.is_forked() {
            return Vec::new();
        }
        self.runtime.crashes().seen_at(self.runtime.executor().coarse_now(), after, usize::MAX)
    }

    /// Stops a process, and returns what has happened. A supervisor stops its children first: a
    /// [`Supervisor`](crate::Supervisor) in the reverse order of their starts, a [`TaskSupervisor`](crate::TaskSupervisor) all at once.
    ///
    /// The answer comes when the process has ended; at the latest one second after the kill, which follows the grace time. With
    /// [`Shutdown::Infinity`] it may never come. A process cannot be stopped within a poll: the answer says for how long that poll
    /// has lasted, and the process ends when the poll returns. Such a process counts as abandoned. The supervisor of a process may
    /// start it again.
    ///
    /// # Cancel safety
    ///
    /// A request or a kill that was sent stays in force. A process that was only asked to shut down is not killed when its grace time
    /// is over.
    ///
    /// # Elixir
    ///
    /// `Process.exit/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Shutdown, Task, process};
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(std::future::pending::<()>());
    ///     let answer = process::inspector().stop(task.pid(), Shutdown::BrutalKill).await;
    ///     assert!(answer.has_ended());
    ///     assert!(answer.to_string().ends_with("it was killed"), "{answer}");
    /// });
    /// ```
    pub async fn stop(&self, pid: Pid, shutdown: impl Into<Shutdown>) -> StopAnswer {
        stop::stop(&self.runtime, pid, shutdown.into()).await
    }

    /// Stops a process and those below it, and returns what has happened.
    ///
    /// A process is below its supervisor; or else below its owner, if it is a supervisor that belongs to a process; or else below the
    /// process that has spawned it. All of these processes, except supervisors and their children, get the request before the first of
    /// them is woken: so none of them handles the end of another as if only that one had been stopped. Supervisors stop their own
    /// children, as for [`stop`](Inspector::stop). The answer comes within about the grace time for the process, and as much again for
    /// the processes below it that have not ended by then. Those that are left after that are killed, whatever their supervisors allow.
    /// With [`Shutdown::Infinity`] no process is killed, and the answer may never come.
    ///
    /// # Cancel safety
    ///
    /// As for [`stop`](Inspector::stop).
    pub async fn stop_subtree(&self, pid: Pid, shutdown: impl Into<Shutdown>) -> StopAnswer {
        stop::stop_subtree(&self.runtime, pid, shutdown.into()).await
    }

    /// Stops a child of a [`Supervisor`](crate::Supervisor) and starts it again, and returns its new process. The supervisor does
    /// that as for [`terminate_child`](crate::Supervisor::terminate_child) and
    /// [`restart_child`](crate::Supervisor::restart_child): its siblings continue, and the restart is not counted.
    ///
    /// # Errors
    ///
    /// [`RestartError`]: there is no such process, the process is not the child of a `Supervisor`, the supervisor is stopping or has
    /// ended, the child is temporary, or the child could not be started again.
    ///
    /// # Cancel safety
    ///
    /// The child may be stopped and not be started again.
    pub async fn restart(&self, pid: Pid) -> Result<Pid, RestartError> {
        let supervisor = self.runtime.with(pid, |entry| entry.parent().map(|parent| parent.pid));
        let supervisor = supervisor.ok_or(RestartError::NoProcess)?.ok_or(RestartError::NoSupervisor)?;
        let supervisor = self
            .runtime
            .with(supervisor, |entry| entry.guardian().map(|guardian| guardian.supervisor.clone()))
            .flatten();
        supervisor.ok_or(RestartError::SupervisorStopped)?.restart_child(pid).await
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("runtime", &self.runtime_number()).finish_non_exhaustive()
    }
}
