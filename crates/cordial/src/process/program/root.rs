//! The root process of a program: it handles the signals of the operating system and ends the program in order.
//!
//! ```text
//!  first signal    the root process is asked to shut down, without a limit
//!  root has ended  the processes that descend from it are stopped in order: supervisors first, then all others in 5 s
//!  second signal   the root and every process that descends from it are killed; `run` returns within 100 ms
//! ```

use std::io::Write;
use std::panic::Location;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::os_signals::{OsSignal, OsSignals};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::outcome::Outcome;
use crate::process::report::{ReportBuilder, StopReport};
use crate::process::runtime::{Handle, assert_may_block, block_on, spawner, try_default_runtime};
use crate::process::shutdown::Shutdown;
use crate::process::signal::Signal;
use crate::process::spawn::{Spawn, box_if_large};
use crate::process::stop::{collect_in_order, kill_group};

/// How long the second signal waits for destructors. Together with the time to handle the signal, less than 100 ms.
const AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(70);

/// How a run ended.
pub(super) struct RunOutcome<T> {
    pub(super) result: Result<T, Exit>,
    /// The second signal, if there was one.
    cut_short_by: Option<OsSignal>,
    /// The processes that did not end when they were asked to.
    report: StopReport,
}

/// Runs a future as the root process of a program, on the default runtime. Blocks until the
/// process, and every process that descends from it, has ended or is abandoned.
///
/// The first SIGINT or SIGTERM (on Windows: Ctrl-C) asks the root process to shut down, without a limit: if it has opted in to
/// graceful shutdown, by a poll of [`shutdown_requested`](crate::shutdown_requested), it ends itself; otherwise its future is
/// dropped. When the root process has ended, for whatever reason, the processes that descend from it are stopped in order: first
/// the supervisors, which give each child the grace time of its [`ChildSpec::shutdown`](crate::ChildSpec::shutdown); then the
/// other processes, which are killed after 5 s. Then `run` returns; the runtime can be used again. A second signal kills all of
/// these processes, and `run` returns [`Exit::Killed`] within 100 ms. Some programs, such as `timeout`, signal a process
/// and then its process group, which counts as two signals: start `timeout` with `--foreground`.
///
/// To finish work after Ctrl-C, await `shutdown_requested` in a `select!` with the work. Listening to `tokio::signal` does not
/// opt in to graceful shutdown.
///
/// The value is the output of the future. If that is a `Result` itself, `run(..)?` returns the inner `Result`.
///
/// Processes that do not descend from the root, because other threads or `tokio::spawn` spawned them, are left alone, and so
/// are unlinked supervisors. tokio keeps its signal handlers: after `run` has returned, Ctrl-C does not end the program by itself.
///
/// # Errors
///
/// The [`Exit`] of the root process, if its future returned no value; an [`Exit::Error`] with a
/// [`BuildError`](crate::BuildError) if the default runtime cannot start, or with an [`io::Error`](std::io::Error) if
/// the signal handlers cannot be installed. In a handler of `atexit` or in the destructor of a thread-local this may
/// be [`Exit::Refused`].
///
/// # Panics
///
/// On a worker of tokio and in a simulation, because other tasks could not run meanwhile.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task};
///
/// fn main() -> Result<(), Exit> {
///     cordial::run(async {
///         let task = Task::spawn(async { 6 * 7 });
///         assert_eq!(task.await?, 42);
///         Ok(())
///     })?
/// }
/// ```
#[track_caller]
pub fn run<F>(future: F) -> Result<F::Output, Exit>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    assert_may_block("cordial::run");
    let spawned_at = Location::caller();
    let runtime = try_default_runtime()?;
    box_if_large!(future: F => run_on(runtime, future, spawned_at)).result
}

/// Like [`run`], for `fn main`: converts the result into the exit status of the program.
///
/// | end of the root process | status | standard error |
/// |---|---|---|
/// | a value, or an orderly shutdown | 0 | |
/// | any other exit | 1 | the exit; of a panic also the backtrace, if `RUST_BACKTRACE` enables it |
/// | none: the default runtime cannot start | 1 | the reason |
/// | a second signal | 130 (SIGINT) or 143 (SIGTERM) | |
///
/// Processes that did not end when they were asked to are listed on standard error as well; after a second signal, only those
/// that are stuck in a poll.
///
/// An orderly shutdown is an [`Exit::Shutdown`] that was requested, or with which the root process ended itself. The exit of a
/// [`Supervisor`](crate::Supervisor) that exceeded its restart limit is a `Shutdown` too, but not orderly: if the root process
/// ends with it, the child and its last exit are printed and the status is 1, so that a service manager restarts the program.
///
/// # Panics
///
/// Under the same conditions as [`run`].
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     cordial::main(async {
///         let text = cordial::Task::spawn(async { "hello" }).await?;
///         println!("{text}");
///         Ok::<(), cordial::Exit>(())
///     })
/// }
/// ```
#[track_caller]
pub fn main<F>(future: F) -> ExitCode
where
    F: Future + Send + 'static,
    F::Output: Outcome + Send + 'static,
{
    assert_may_block("cordial::main");
    let runtime = match try_default_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: the default runtime of cordial cannot start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let spawned_at = Location::caller();
    let outcome = box_if_large!(future: F => run_on(runtime, future, spawned_at));
    if !outcome.report.is_clean() {
        let _ = writeln!(std::io::stderr(), "Stopped: {}", outcome.report);
    }
    if let Some(signal) = outcome.cut_short_by {
        return ExitCode::from(signal.status());
    }
    match outcome.result.and_then(Outcome::into_result) {
        Ok(()) | Err(Exit::Normal) => ExitCode::SUCCESS,
        Err(exit @ Exit::Shutdown(_)) if !runtime.restart_limit_exits().contains(&exit) => ExitCode::SUCCESS,
        Err(exit) => {
            // Standard error may be closed. The status is returned all the same.
            let _ = writeln!(std::io::stderr(), "Error: {exit:#}");
            if let Exit::Panic(report) = &exit
                && let Some(backtrace) = report.backtrace()
            {
                let backtrace = backtrace.to_string();
                let _ = writeln!(
                    std::io::stderr(),
                    "stack backtrace of process {}:\n{}",
                    report.pid(),
                    backtrace.trim_end()
                );
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a future as a root process. The caller has checked that this thread may block.
pub(super) fn run_on<F>(runtime: &Handle, future: F, spawned_at: &'static Location<'static>) -> RunOutcome<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let refused = |exit| RunOutcome { result: Err(exit), cut_short_by: None, report: StopReport::default() };
    // Before tokio is used, which panics where the thread-locals of the thread are gone.
    if let Err(refusal) = spawner() {
        return refused(Exit::Refused(refusal));
    }
    let mut signals = match OsSignals::listen(runtime) {
        Ok(signals) => signals,
        Err(error) => return refused(Exit::from(error)),
    };
    let mut root = match Spawn::new(spawned_at).root().start(runtime, future, Ok) {
        Ok(root) => root,
        Err(refusal) => return refused(Exit::Refused(refusal)),
    };
    let pid = root.pid;
    block_on(async {
        let mut is_signaled = false;
        let result = loop {
            match select(&mut root.join, pin!(signals.next())).await {
                Either::Left((reply, _)) => break reply.take(),
                Either::Right((signal, _)) if is_signaled => {
                    return kill(runtime, pid, signal, ReportBuilder::default()).await;
                }
                Either::Right(_) => {
                    is_signaled = true;
                    runtime.signal(pid, Signal::Sent { from: None, reason: Exit::Shutdown(None) });
                }
            }
        };
        // Guardians that belong to the runtime outlive the run.
        let is_member = |_, entry: &Entry| {
            let belongs_to_runtime = entry.guardian().is_some_and(|guardian| guardian.owner.is_none());
            entry.root() == Some(pid) && !belongs_to_runtime
        };
        let mut report = ReportBuilder::default();
        let cut_short_by = {
            let mut stopped = pin!(collect_in_order(&mut report, runtime, &is_member, Shutdown::default()));
            loop {
                match select(&mut stopped, pin!(signals.next())).await {
                    Either::Left(((), _)) => break None,
                    Either::Right((signal, _)) if is_signaled => break Some(signal),
                    // The first signal requests what is happening already.
                    Either::Right(_) => is_signaled = true,
                }
            }
        };
        match cut_short_by {
            None => RunOutcome { result, cut_short_by, report: report.take() },
            Some(signal) => kill(runtime, pid, signal, report).await,
        }
    })
}

/// Ends a run after the second signal. The report lists the processes that were killed or abandoned before, and those that are
/// stuck in a poll now. It does not list the processes that are killed here, because the signal asked for that.
async fn kill<T>(runtime: &Handle, root: Pid, signal: OsSignal, mut report: ReportBuilder) -> RunOutcome<T> {
    let is_member = |pid, entry: &Entry| pid == root || entry.root() == Some(root);
    report.add(kill_group(runtime, is_member, AFTER_SECOND_SIGNAL).await);
    RunOutcome { result: Err(Exit::Killed), cut_short_by: Some(signal), report: report.take() }
}
