//! The options of a runtime.

use std::num::NonZeroUsize;
use std::time::Duration;

use cordial_sched::{Executor, Options};

use super::handle::RuntimeHandle;
use super::shared::RuntimeShared;
use crate::error::BuildError;
use crate::timeout::Timeout;
use crate::unwind::PanicReports;

/// Options of a [`Runtime`](crate::Runtime), created by [`Runtime::builder`](crate::Runtime::builder).
///
/// # Examples
///
/// ```
/// use cordial::Runtime;
///
/// assert!(Runtime::builder().workers(0).build().is_err());
/// assert!(Runtime::builder().workers(4).max_threads(2).build().is_err());
/// ```
#[must_use = "options do nothing before `build` or `install`"]
#[derive(Clone, Debug)]
pub struct Builder {
    workers: usize,
    stall_after: Duration,
    max_threads: usize,
    long_polls: LongPolls,
    panics: Panics,
    await_limit: Timeout,
    check_threads: bool,
}

/// What happens to the priority of a thread that runs a long poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongPolls {
    /// When more long polls compute than there are processors, the thread of each of them gets a lower priority until its poll
    /// has returned, so that short polls wait less. It still gets about 64 % of the time that a thread with the former
    /// priority gets. Linux only.
    Deprioritize,
    /// The thread keeps its priority.
    Keep,
}

/// How the panic of a process is reported, apart from its [`Exit`](crate::Exit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    /// By the panic hook of the program, as everywhere in Rust, and by the event `crash`. The hook of the standard library
    /// prints the panic; another hook may send it to a service that collects errors.
    HookAndEvent,
    /// By the event `crash` only. A panic while no `tracing` subscriber takes that event is reported by the panic hook.
    EventOnly,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            workers: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            stall_after: Duration::from_millis(4),
            max_threads: 512,
            long_polls: LongPolls::Deprioritize,
            panics: Panics::HookAndEvent,
            await_limit: Timeout::default(),
            check_threads: true,
        }
    }
}

impl Builder {
    /// Sets the number of worker threads, which poll processes. As many threads run tokio's I/O beside them. Default: the value of
    /// [`available_parallelism`](std::thread::available_parallelism). With 0, `build` fails.
    pub fn workers(self, workers: usize) -> Builder {
        Builder { workers, ..self }
    }

    /// Sets how long a poll may last before it is a long poll. The first long poll of each spawn location is reported while it
    /// lasts. If tasks wait during a long poll, another thread stands in for the worker. Default: 4 ms.
    ///
    /// In each millisecond, at most one stand-in for each worker starts: while hundreds of tasks block
    /// at the same moment, other tasks may wait for a few hundred milliseconds. A thread that is not
    /// needed after its long poll exits 10 s later, or at once if its priority was lowered.
    pub fn stall_after(self, stall_after: Duration) -> Builder {
        Builder { stall_after, ..self }
    }

    /// Sets the maximum number of threads that poll processes or wait to do so, stand-ins included.
    /// Default: 512. If it is below the number of workers, `build` fails. A number above 65 536 counts as 65 536, or as the number of
    /// workers if that is greater.
    ///
    /// The operating system may refuse a stand-in before that. Tasks then wait until a poll returns or the system grants a thread:
    /// the runtime tries again about every millisecond, while tasks wait. The event `threads_refused` is emitted at the first
    /// refusal, and again only after the system has granted a thread.
    ///
    /// An allocation that fails ends the program. So where the address space is limited (`ulimit -v`), the runtime starts no stand-in
    /// that would leave less than an eighth of it, and `build` fails if the threads of the runtime would leave less than 8 MiB.
    pub fn max_threads(self, max_threads: usize) -> Builder {
        Builder { max_threads, ..self }
    }

    /// Sets whether a thread that runs a long poll may get a lower priority. Default: [`LongPolls::Deprioritize`].
    ///
    /// While at most as many long polls compute as there are processors, their threads keep their priority. When more of them
    /// compute while other tasks wait, the nice value of the thread of each is raised by two, which takes 36 % of its weight. No
    /// poll starves: beside threads that keep their priority, a long poll takes at most 1.6 times as long as with
    /// [`LongPolls::Keep`]. Because Linux does not let a program lower the nice value again, the thread exits when its poll has
    /// returned. If it is needed, a new thread replaces it.
    ///
    /// In return, other tasks wake up sooner. Beside eight tasks that compute without a break on two processors, 99 of 100
    /// wake-ups came within 7 ms, and with [`LongPolls::Keep`] within 16 ms (median of ten runs).
    ///
    /// Threads and child processes that a task starts in the same poll, after its thread got a lower priority, inherit
    /// that priority for good. Start them from another poll, or inside `tokio::task::spawn_blocking`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Runtime;
    /// use cordial::process::LongPolls;
    ///
    /// let runtime = Runtime::builder().workers(1).deprioritize_long_polls(LongPolls::Keep).build()?;
    /// # drop(runtime);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deprioritize_long_polls(self, long_polls: LongPolls) -> Builder {
        Builder { long_polls, ..self }
    }

    /// Calls [`deprioritize_long_polls`](Builder::deprioritize_long_polls): `true` is [`LongPolls::Deprioritize`], `false` is
    /// [`LongPolls::Keep`].
    pub fn lower_stuck(self, lower_stuck: bool) -> Builder {
        self.deprioritize_long_polls(if lower_stuck { LongPolls::Deprioritize } else { LongPolls::Keep })
    }

    /// Sets how the panic of a process of this runtime is reported. Default: [`Panics::HookAndEvent`].
    ///
    /// The first runtime of the program sets a recording hook: a panic hook that records panics and calls the hook that was set
    /// before. If the program later sets a hook that does not call the recording hook, the next panic of a process is not recorded:
    /// its report has no location and no backtrace. When this panic is caught, the recording hook is set again, and from then on
    /// calls the hook of the program. To have each report complete, set hooks before the first runtime starts, or call the hook
    /// that [`take_hook`](std::panic::take_hook) has returned.
    ///
    /// A hook that the program sets later and that calls the recording hook is called for every panic, even with
    /// [`Panics::EventOnly`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::process::Panics;
    /// use cordial::{Runtime, Task};
    ///
    /// Runtime::builder().panics(Panics::EventOnly).install()?;
    /// let task = Task::spawn(async { panic!("no luck") });
    /// assert!(task.wait().map(|never: ()| never).unwrap_err().is_panic());
    /// # Ok::<(), cordial::BuildError>(())
    /// ```
    pub fn panics(self, panics: Panics) -> Builder {
        Builder { panics, ..self }
    }

    /// Sets how long a task of this runtime is awaited, unless the await sets another limit: the default of
    /// [`Task::timeout`](crate::Task::timeout), [`Task::await_many`](crate::Task::await_many) and
    /// [`Task::yield_many`](crate::Task::yield_many), and of [calls](crate::server::Call::timeout) and
    /// [casts](crate::server::Cast::timeout) to servers. Default: 5 s. With [`Timeout::Infinity`], an await has no limit, as in
    /// tokio.
    ///
    /// A list of tasks takes the limit from the runtime of the first of its tasks that has a process. The timeouts of the items of a
    /// stream and the grace times of a shutdown do not change. A [simulation](crate::testing) has the default of 5 s.
    ///
    /// For [`cordial::main`](crate::main) and [`cordial::run`](crate::run), set the limit with
    /// [`install`](Builder::install) before they are called, as in the example.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Exit, Runtime, Task};
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    ///
    /// fn main() -> ExitCode {
    ///     Runtime::builder().await_limit(Duration::from_secs(60)).install().expect("called once, before the first task");
    ///     cordial::main(async {
    ///         let slow = Task::spawn(async { 6 * 7 }); // may take a minute
    ///         println!("{}", slow.await?);
    ///         Ok::<(), Exit>(())
    ///     })
    /// }
    /// ```
    pub fn await_limit(self, limit: impl Into<Timeout>) -> Builder {
        Builder { await_limit: limit.into(), ..self }
    }

    /// Sets whether the start of the runtime first checks that the system grants all threads. Default: yes. The check takes as long
    /// as the rest of the start. A program can omit the check if it has to start quickly, and ends anyway if its runtime does not
    /// start: for example a worker of `cordial-isolate`.
    #[doc(hidden)]
    pub fn check_threads(self, check_threads: bool) -> Builder {
        Builder { check_threads, ..self }
    }

    /// Starts the threads of the runtime, and returns its handle.
    pub(in crate::process) fn start(self) -> Result<RuntimeHandle, BuildError> {
        let Builder { workers, stall_after, max_threads, long_polls, panics, await_limit, check_threads } = self;
        if workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        if max_threads < workers {
            return Err(BuildError::CapBelowWorkers { max_threads, workers });
        }
        let deprioritize_long_polls = long_polls == LongPolls::Deprioritize;
        let options = Options { workers, stall_after, max_threads, deprioritize_long_polls, check_threads };
        let executor = Executor::start(options, RuntimeShared::new(workers, panics.into(), await_limit))?;
        Ok(RuntimeHandle::new(executor))
    }
}

impl From<Panics> for PanicReports {
    fn from(panics: Panics) -> PanicReports {
        match panics {
            Panics::HookAndEvent => PanicReports::HookAndEvent,
            Panics::EventOnly => PanicReports::EventOnly,
        }
    }
}
