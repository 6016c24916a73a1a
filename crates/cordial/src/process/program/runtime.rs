//! The public runtime: a scheduler, a process table, a clock and an I/O driver.

use std::panic::Location;
use std::time::Duration;

use super::root::run_on;
use crate::error::BuildError;
use crate::exit::Exit;
use crate::process::entry::Entry;
use crate::process::inspect::{Snapshot, Statistics};
use crate::process::inspector::Inspector;
use crate::process::report::StopReport;
use crate::process::runtime::{Builder, RuntimeHandle, assert_may_block, block_on, current, set_default_runtime};
use crate::process::shutdown::Shutdown;
use crate::process::spawn::{Spawn, box_if_large};
use crate::process::stop::{ABANDON_AFTER, stop_within};

/// A runtime of your own: worker threads, a process table, a clock, and tokio's I/O beside them.
///
/// Most programs need none: the default runtime starts on first use. Build one to test with the real scheduler, or to keep two
/// kinds of work apart. Inside a process of this runtime, and on its other threads, every function of this crate uses it. A process of
/// one runtime has no links or monitors to processes of another: their pids are unknown there.
///
/// Dropping the runtime shuts it down without waiting: every process is killed, and each thread ends when its last poll has
/// returned. The drop never blocks or panics, not even in async code or on a worker of the runtime.
/// To wait, call [`shutdown`](Runtime::shutdown) first.
///
/// tokio's timers and sockets, and tasks of `tokio::spawn`, continue until the last poll of a process has returned: a poll that is cut
/// off from them would panic.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let runtime = cordial::Runtime::builder().workers(2).build()?;
/// let answer = runtime.block_on(async { cordial::Task::spawn(async { 6 * 7 }).await })??;
/// assert_eq!(answer, 42);
/// assert!(runtime.shutdown(Duration::from_secs(1)).is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a Runtime shuts it down"]
#[derive(Debug)]
pub struct Runtime {
    handle: RuntimeHandle,
}

impl Builder {
    /// Starts a runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: no workers, fewer threads than workers, or the operating system refused a
    /// thread or a file.
    pub fn build(self) -> Result<Runtime, BuildError> {
        Ok(Runtime { handle: self.start()? })
    }

    /// Starts the default runtime of the program with these options.
    ///
    /// # Errors
    ///
    /// The errors of [`build`](Builder::build), and [`BuildError::AlreadyInUse`] if the default runtime has started already; if that
    /// was before a fork, [`BuildError::Forked`].
    pub fn install(self) -> Result<(), BuildError> {
        set_default_runtime(self)
    }
}

impl Runtime {
    /// Returns options for a runtime, or for the default runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs a future as a process of this runtime and blocks the calling thread until the process has ended.
    ///
    /// Does not handle signals of the operating system, and does not stop other processes. To run a whole program, see
    /// [`run`](Runtime::run).
    ///
    /// # Errors
    ///
    /// The [`Exit`] of the process, if its future returned no value; [`Exit::Refused`] if the process was not started.
    ///
    /// # Panics
    ///
    /// On a worker of tokio and in a simulation, because other tasks could not run meanwhile.
    #[track_caller]
    pub fn block_on<F>(&self, future: F) -> Result<F::Output, Exit>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        assert_may_block("Runtime::block_on");
        let mut spawn = Spawn::new(Location::caller());
        let spawned = box_if_large!(future: F => spawn.start(&self.handle, future, Ok)).map_err(Exit::Refused)?;
        block_on(spawned.join).take()
    }

    /// Runs a future as the root process of a program: [`cordial::run`](crate::run) on this runtime.
    ///
    /// # Errors
    ///
    /// The [`Exit`] of the root process, if its future returned no value; [`Exit::Killed`] after a second signal; [`Exit::Refused`] if
    /// the process was not started; an [`Exit::Error`] with an [`io::Error`](std::io::Error) if the signal handlers cannot be installed.
    ///
    /// # Panics
    ///
    /// On a worker of tokio and in a simulation, because other tasks could not run meanwhile.
    #[track_caller]
    pub fn run<F>(&self, future: F) -> Result<F::Output, Exit>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        assert_may_block("Runtime::run");
        let spawned_at = Location::caller();
        box_if_large!(future: F => run_on(&self.handle, future, spawned_at)).into_result()
    }

    /// Takes a snapshot of the processes of this runtime.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.handle)
    }

    /// Returns a handle for code that shows what runs on this runtime, from any thread.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        Inspector::new(self.handle.clone())
    }

    /// Returns the counters of the scheduler.
    ///
    /// # Elixir
    ///
    /// `:erlang.statistics/1`.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = cordial::Runtime::builder().workers(2).build()?;
    /// runtime.block_on(async { cordial::Task::spawn(async {}).await })??;
    /// assert_eq!(runtime.statistics().workers, 2);
    /// println!("{:#?}", runtime.statistics());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.handle.executor().statistics()
    }

    /// Asks every process to shut down, kills the processes that are left when `limit` has passed, and ends the threads. With
    /// [`Shutdown::BrutalKill`], kills every process at once.
    ///
    /// Only a process that opted in to graceful shutdown gets the time; all others end at their current await. Supervisors stop their
    /// children. Blocks until every process has ended, but no longer than 200 ms after the kill. No process can be spawned on this
    /// runtime after the call: tasks return [`Exit::Refused`]. A second call does nothing.
    ///
    /// The report lists processes whose poll did not return within 100 ms as abandoned. All other processes that were killed are
    /// listed as killed; if there are so many that the threads have not ended all of them when this returns, the threads continue.
    ///
    /// If a process of this runtime makes the call, the call does not wait for that process: the process is killed last, and ends
    /// when its current poll returns. If that process has a supervisor, the supervisor does wait for it, for the shutdown time of the
    /// child or up to `limit`, and the report lists the process as abandoned. In a forked process, the call does nothing.
    ///
    /// # Panics
    ///
    /// On a worker of tokio and in a simulation, because other tasks could not run meanwhile.
    pub fn shutdown(&self, limit: impl Into<Shutdown>) -> StopReport {
        assert_may_block("Runtime::shutdown");
        if self.handle.is_forked() {
            // No thread of the runtime is left to wait for.
            return StopReport::default();
        }
        let executor = self.handle.executor();
        let (limit, started, caller) = (limit.into(), executor.now(), current());
        self.handle.roots().close();
        let is_member = move |pid, _: &Entry| Some(pid) != caller;
        let stop = stop_within(&self.handle, &is_member, limit);
        let report = if executor.is_closed() { StopReport::default() } else { block_on(stop) };
        let time_after_limit = match limit {
            Shutdown::After(limit) => executor.now().saturating_duration_since(started).saturating_sub(limit),
            Shutdown::BrutalKill => executor.now().saturating_duration_since(started),
            Shutdown::Infinity => Duration::ZERO,
        };
        // The threads of abandoned processes do not end, so a longer wait would not help.
        self.close(ABANDON_AFTER.min((2 * ABANDON_AFTER).saturating_sub(time_after_limit)));
        report
    }

    /// Refuses new processes, kills those that are left, and waits up to `limit` for the threads. Does nothing in a forked process.
    fn close(&self, limit: Duration) {
        // In a forked process, another thread may have held a lock at the fork.
        if self.handle.is_forked() {
            return;
        }
        self.handle.roots().close();
        self.handle.executor().refuse();
        self.handle.kill_all();
        self.handle.executor().close(limit);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
