//! A runtime: a scheduler, a process table, a clock and an I/O driver, and nothing shared with any other runtime.

use std::panic::Location;
use std::time::Duration;

use super::block_on::{assert_may_block, block_on};
use super::builder::Builder;
use super::context;
use super::handle::Handle;
use super::root;
use super::snapshot::Snapshot;
use super::spawn::Spawn;
use super::statistics::Statistics;
use super::stop::{self, Shutdown, StopReport};
use crate::exit::Exit;

/// A runtime of one's own: worker threads, a process table, a clock, and tokio's I/O beside them.
///
/// Most programs never name one: the default runtime starts on first use. A runtime of its own is for tests of the real
/// scheduler, and for programs that keep two kinds of work apart. Inside one of its processes, everything in this crate
/// works on it.
///
/// Dropping it shuts it down without waiting: every process is killed, and its threads end when their last poll has
/// returned. That never blocks or panics, also in async code and on its own workers. To wait, call
/// [`shutdown`](Runtime::shutdown) first.
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
    handle: Handle,
}

impl Runtime {
    /// Options for a runtime of one's own, or for the default one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(handle: Handle) -> Runtime {
        Runtime { handle }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future as a process of this runtime and blocks the calling thread until it has ended.
    ///
    /// Signals of the operating system are left alone, and what else runs in the runtime goes on. For a whole program
    /// see [`run`](Runtime::run).
    ///
    /// # Errors
    ///
    /// The [`Exit`] of the process, if it gave no value.
    ///
    /// # Panics
    ///
    /// On a tokio worker and in a simulation, where blocking would stop everything.
    #[track_caller]
    pub fn block_on<F>(&self, future: F) -> Result<F::Output, Exit>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        assert_may_block("Runtime::block_on");
        let spawned = Spawn::new(Location::caller()).start(&self.handle, future, Ok).map_err(Exit::Refused)?;
        block_on(spawned.join).take()
    }

    /// Runs a future as the root process of a program: [`cordial::run`](crate::run) on this runtime.
    ///
    /// # Errors
    ///
    /// The [`Exit`] of the root process, if it gave no value; [`Exit::Killed`] after a second signal.
    ///
    /// # Panics
    ///
    /// On a tokio worker and in a simulation, where blocking would stop everything.
    #[track_caller]
    pub fn run<F>(&self, future: F) -> Result<F::Output, Exit>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        assert_may_block("Runtime::run");
        root::run_on(&self.handle, future, Location::caller()).result
    }

    /// Everything that lives in this runtime, each process as it was when it was looked at.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.handle)
    }

    /// What the scheduler does at this moment, and what it has done so far.
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

    /// Asks every process to shut down, kills those that are left after `limit`, and ends the threads.
    ///
    /// A process gets the time only if it asked to be told, as always. Blocks until everything has ended; 100 ms after
    /// the kill it returns all the same, and the report names what is stuck in a poll. From then on nothing can be
    /// spawned here: tasks answer [`Exit::Refused`]. A second call has nothing left to do.
    ///
    /// Called inside a process of this runtime, it does not wait for that one, which ends when its poll returns.
    ///
    /// # Panics
    ///
    /// On a tokio worker and in a simulation, where blocking would stop everything.
    pub fn shutdown(&self, limit: impl Into<Shutdown>) -> StopReport {
        assert_may_block("Runtime::shutdown");
        let caller = context::current();
        let stop = stop::stop_within(&self.handle, |pid, _| Some(pid) != caller, limit.into());
        let report = if self.handle.executor().is_closed() { StopReport::default() } else { block_on(stop) };
        self.handle.executor().refuse();
        self.handle.kill_all();
        self.handle.executor().close(stop::ABANDON_AFTER);
        report
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.handle.executor().refuse();
        self.handle.kill_all();
        self.handle.executor().close(Duration::ZERO);
    }
}
