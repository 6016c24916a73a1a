//! The root process of a program: it handles the signals of the operating system and shuts the program down.
//!
//! ```text
//!  first signal    the root process is asked to shut down, and may take any time
//!  root has ended  the processes that descend from it are stopped in order, see `collect_in_order`
//!  second signal   the root and every process that descends from it are killed; `run` returns within 100 ms
//! ```
//!
//! A first signal that comes in the last poll of the root, or after the root has ended, cannot change the value that `run` returns. So `run`
//! stops the other processes, and then lets the signal end the program. `main` ignores such a signal: the program is about to end with the
//! status of the root.

use std::future::poll_fn;
use std::io::{self, Write};
use std::panic::Location;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{Either, select};

use super::os_signals::{OsSignal, OsSignals};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::discard::discard;
use crate::process::entry::Entry;
use crate::process::outcome::ProgramOutcome;
use crate::process::report::{ReportBuilder, StopReport};
use crate::process::runtime::{RuntimeHandle, assert_may_block, is_in_poll, refuse_ending_thread, try_default_runtime};
use crate::process::shutdown::Shutdown;
use crate::process::signal::Signal;
use crate::process::spawn::{Spawn, box_if_large};
use crate::process::stop::{collect_in_order, kill_group};
use crate::unwind;

/// How a run ended.
pub(super) struct RunOutcome<T> {
    pub(super) result: Result<T, Exit>,
    /// Whether this root, or another one that ran beside it, was asked to shut down before this one ended.
    was_asked: bool,
    /// The second signal, if there was one.
    cut_short_by: Option<OsSignal>,
    /// The processes that did not end when they were asked to.
    report: StopReport,
    /// The signal handlers of the run. Dropping them ends the program if a signal has come that no run has handled: so that is left to the
    /// code that takes the result.
    signals: Option<OsSignals>,
}

impl<T> RunOutcome<T> {
    /// The outcome of a run whose root process was not started.
    fn not_started(exit: Exit) -> RunOutcome<T> {
        let report = StopReport::default();
        RunOutcome { result: Err(exit), was_asked: false, cut_short_by: None, report, signals: None }
    }

    /// Returns the result, unless the program ends because of a signal that no run has handled.
    pub(super) fn into_result(self) -> Result<T, Exit> {
        drop(self.signals);
        self.result
    }
}

/// Runs a future as the root process of a program, on the default runtime. Blocks until the
/// process, and every process that descends from it, has ended or is abandoned.
///
/// Use it for a part of a program, or where the exit is needed. Use [`main`] for a whole program: a root process that Ctrl-C ends,
/// because it has not opted in to graceful shutdown, returns no value, so `run` returns `Err(Exit::Shutdown(None))`. If `fn main` passes
/// that on with `?`, Rust prints `Error: was shut down`, and the status is 1.
///
/// The first SIGINT or SIGTERM (on Windows: Ctrl-C) asks the root process to shut down. A root process that has opted in to graceful
/// shutdown, for example by a call of [`shutdown_requested`](crate::shutdown_requested), ends itself, and may take any time; the future of
/// any other root process is dropped. A second signal kills the root process and all processes that descend from it, and `run` returns
/// [`Exit::Killed`] within 100 ms. Some programs, such as `timeout`, signal a process and then its process group, which counts as two
/// signals: start `timeout` with `--foreground`.
///
/// When the root process has ended, for whatever reason, the processes that descend from it are stopped in this order:
///
/// 1. the supervisors without a live owner, such as those of the root process; they give each child the grace time of its
///    [`ChildSpec::shutdown`](crate::ChildSpec::shutdown);
/// 2. all processes without a supervisor; those that have not ended after 5 s are killed;
/// 3. the supervisors that these processes owned;
/// 4. the processes that the children of these supervisors have started meanwhile, in the same order.
///
/// Then `run` returns, and the runtime can be used again.
///
/// To finish work after Ctrl-C, await `shutdown_requested` in a `select!` with the work, or pass it to the server:
/// `axum::serve(listener, app).with_graceful_shutdown(cordial::shutdown_requested())`. Listening to `tokio::signal` does not
/// opt in to graceful shutdown.
///
/// A first signal that comes in the last poll of the root process, or later, takes effect when the other processes have been stopped: it
/// then ends the program, as it would have without `run`. On Windows, such a Ctrl-C has no effect. If several runs are in progress, a signal
/// asks all of their roots. If a process calls `run` after a signal that no root has handled yet, the signal asks the root of the new run
/// too. It does not if the call comes from a destructor, while the future of the process is dropped.
///
/// The signals are noticed even while all threads of tokio are blocked. While no `run` is in progress, a signal does what it did
/// before the first `run`: it calls the handler that the program had installed; or it is ignored, as in the background of a shell; or
/// else it ends the program. During `run`, a handler that was installed before is called as well. Only Linux shows whether there was one;
/// elsewhere a signal between two runs ends the program. So code that handles these signals beyond the end of `run`, for example
/// with `tokio::signal`, has to begin before the first `run`.
///
/// The value is the output of the future. If that is a `Result` itself, `run(..)?` returns the inner `Result`.
///
/// `run` does not stop processes that do not descend from the root: those that were spawned outside of any process, by other threads
/// or in `tokio::spawn`, and unlinked supervisors.
///
/// # Errors
///
/// - The [`Exit`] of the root process, if its future returned no value.
/// - An [`Exit::Error`] with a [`BuildError`](crate::BuildError), if the default runtime cannot start.
/// - An [`Exit::Error`] with an [`io::Error`](std::io::Error), if the signal handlers cannot be installed.
/// - [`Exit::Refused`] if no process can be started, for example in a forked process, in a handler of `atexit`, or in the destructor
///   of a thread-local.
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
/// let answer: Result<i32, Exit> = cordial::run(async { Task::spawn(async { 6 * 7 }).await })?;
/// assert_eq!(answer, Ok(42));
/// # Ok::<(), Exit>(())
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
    box_if_large!(future: F => run_on(runtime, future, spawned_at)).into_result()
}

/// Runs a future as the root process of a program, as [`run`] does, and converts its end into the exit status for `fn main`.
///
/// On the first Ctrl-C or SIGTERM the program shuts down cleanly, with status 0 unless the root process fails; `run` has
/// the details.
///
/// | end of the root process | status | standard error |
/// |---|---|---|
/// | a value, [`Exit::Normal`], or an orderly shutdown | 0 | |
/// | an [`ExitCode`], or an `Ok` of one | that | |
/// | any other exit | 1 | the exit; for a panic, the backtrace as well, if `RUST_BACKTRACE` enables it |
/// | none: the default runtime cannot start | 1 | the reason |
/// | a second signal | 130 (SIGINT) or 143 (SIGTERM) | |
///
/// Processes that did not end when they were asked to are listed on standard error as well. A process that a second signal has killed
/// is listed only if it is stuck in a poll.
///
/// An orderly shutdown is an [`Exit::Shutdown`] of the root process, whether it was requested, came over a link, or was the exit that
/// the process chose. After a request to shut down, an error of the root process that has such an exit in its chain is orderly too. The
/// exit of a supervisor that exceeded its restart limit is a `Shutdown`, but not orderly: if the root process ends with it, the
/// child and its last exit are printed and the status is 1, so that a service manager restarts the program.
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
/// use cordial::{Exit, Task};
///
/// async fn hello() -> Result<(), Exit> {
///     let text = Task::spawn(async { "hello" }).await?;
///     println!("{text}");
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     cordial::main(hello())
/// }
/// ```
#[track_caller]
pub fn main<F>(future: F) -> ExitCode
where
    F: Future + Send + 'static,
    F::Output: ProgramOutcome + Send + 'static,
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
    outcome.signals.iter().for_each(OsSignals::disregard_rest);
    if !outcome.report.is_clean() {
        let _ = writeln!(std::io::stderr(), "Stopped: {}", outcome.report);
    }
    if let Some(signal) = outcome.cut_short_by {
        return ExitCode::from(signal.status());
    }
    // The conversion, the source, the text and the destructor of an error are user code. If one of them panics, the panic hook reports
    // that, and the status is that of the error.
    let Ok(result) = unwind::catch_cold(|| outcome.result.and_then(ProgramOutcome::into_status)) else {
        return ExitCode::FAILURE;
    };
    let exit = match result {
        Ok(status) => return status,
        Err(exit) => exit,
    };
    let has_succeeded = matches!(exit, Exit::Normal)
        || unwind::catch_cold(|| is_orderly(runtime, &exit, outcome.was_asked)).unwrap_or(false);
    if !has_succeeded {
        print_failure(&exit);
    }
    discard(exit);
    if has_succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the exit with which the root process has failed.
fn print_failure(exit: &Exit) {
    let text = unwind::format_caught(|| format!("{exit:#}"));
    // Standard error may be closed. The status is returned all the same.
    let _ = writeln!(io::stderr(), "Error: {text}");
    if let Exit::Panic(report) = exit
        && let Some(backtrace) = report.backtrace_text()
    {
        let (pid, backtrace) = (report.pid(), backtrace.trim_end());
        let _ = writeln!(io::stderr(), "stack backtrace of process {pid}:\n{backtrace}");
    }
}

/// Returns whether an exit of a root process is an orderly shutdown. After a request, the chain of the exit is searched as well, because
/// the root may return an error that wraps the `Shutdown` of one of its tasks.
fn is_orderly(runtime: &RuntimeHandle, exit: &Exit, was_asked: bool) -> bool {
    let is_shutdown = |exit: &&Exit| matches!(exit, Exit::Shutdown(_));
    let inner = exit.causes().filter_map(|error| error.downcast_ref()).find(is_shutdown).filter(|_| was_asked);
    let exit = inner.unwrap_or(exit);
    is_shutdown(&exit) && !runtime.restart_limit_exits().contains(exit)
}

/// Runs a future as a root process. The caller has checked that this thread may block.
pub(super) fn run_on<F>(
    runtime: &RuntimeHandle,
    future: F,
    spawned_at: &'static Location<'static>,
) -> RunOutcome<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let signals = match listen(runtime) {
        Ok(signals) => signals,
        Err(exit) => return RunOutcome::not_started(exit),
    };
    let live = runtime.roots().begin();
    // Set during each poll of the future, and after the last one. While it is not set, the root does not end by itself.
    let is_polled = Arc::<AtomicBool>::default();
    let (sets_polled, mut future) = (is_polled.clone(), Box::pin(future));
    let future = poll_fn(move |cx| {
        sets_polled.store(true, Ordering::SeqCst);
        let polled = future.as_mut().poll(cx);
        sets_polled.store(polled.is_ready(), Ordering::SeqCst);
        polled
    });
    let mut root = match Spawn::new(spawned_at).root(&live).start(runtime, future, Ok) {
        Ok(root) => root,
        Err(refusal) => return RunOutcome::not_started(Exit::Refused(refusal)),
    };
    let pid = root.pid;
    let ask = || {
        let request = runtime.apply(pid, Signal::Sent { from: None, reason: Exit::Shutdown(None) });
        if request.is_message() {
            // Marked before `act`: the root may then call `run` to clean up, and the signal must not ask the root of that run as well.
            signals.set_handled();
        }
        let ends_root = request.ends_process();
        request.act();
        ends_root
    };
    let mut outcome = signals.block_on(async {
        let (mut is_signaled, mut ends_root) = (false, false);
        let result = loop {
            match select(&mut root.join, pin!(signals.next())).await {
                Either::Left((reply, _)) => break reply.take(),
                Either::Right((signal, _)) if is_signaled => {
                    return kill(runtime, pid, signal, ReportBuilder::default()).await;
                }
                Either::Right(_) => {
                    is_signaled = true;
                    ends_root = ask();
                }
            }
        };
        // If the request has ended the root at an await, the root has handled the signal, even if a destructor has panicked then. If the signal
        // came in its last poll, the root has ended by itself.
        if (ends_root && !is_polled.load(Ordering::SeqCst)) || matches!(result, Err(Exit::Shutdown(_))) {
            signals.set_handled();
        }
        // A `run` that the root has called may have handled a signal and made the root end, before this thread noticed the signal.
        is_signaled = is_signaled || signals.take_numbered().is_some();
        let was_asked = is_signaled || live.notice.is_given();
        // Gives the notice, if this is the last root, so that code outside of any process stops together with the descendants.
        drop(live);
        let mut report = ReportBuilder::default();
        match stop_descendants(runtime, pid, &signals, is_signaled, &mut report).await {
            None => RunOutcome { result, was_asked, cut_short_by: None, report: report.take(), signals: None },
            Some(signal) => kill(runtime, pid, signal, report).await,
        }
    });
    if outcome.cut_short_by.is_some() {
        signals.set_handled();
    }
    outcome.signals = Some(signals);
    outcome
}

/// Checks that this thread can start a process, and installs the signal handlers.
fn listen(runtime: &RuntimeHandle) -> Result<OsSignals, Exit> {
    // Checked before tokio is used, which panics where the thread-locals of the thread are gone.
    refuse_ending_thread().map_err(Exit::Refused)?;
    runtime.refuse_forked().map_err(Exit::Refused)?;
    OsSignals::listen(runtime, is_in_poll()).map_err(|error| {
        let handlers = if cfg!(unix) { "the handlers of SIGINT and SIGTERM" } else { "the handler of Ctrl-C" };
        io::Error::new(error.kind(), format!("{handlers} cannot be installed: {error}")).into()
    })
}

/// Stops the processes that descend from a root that has ended. Returns the second signal if it comes before these processes have ended.
/// `is_signaled`: whether the first signal has come.
async fn stop_descendants(
    runtime: &RuntimeHandle,
    root: Pid,
    signals: &OsSignals,
    mut is_signaled: bool,
    report: &mut ReportBuilder,
) -> Option<OsSignal> {
    // A guardian without an owner belongs to the runtime, and outlives the run; or it is a child, and its supervisor stops it.
    let is_member = |_, entry: &Entry| {
        let has_no_owner = entry.guardian().is_some_and(|guardian| guardian.owner.is_none());
        entry.root() == Some(root) && !has_no_owner
    };
    let mut stopped = pin!(collect_in_order(report, runtime, &is_member, Shutdown::default()));
    loop {
        match select(&mut stopped, pin!(signals.next())).await {
            Either::Left(((), _)) => return None,
            Either::Right((signal, _)) if is_signaled => return Some(signal),
            // The first signal asks for a shutdown, which is in progress already.
            Either::Right(_) => is_signaled = true,
        }
    }
}

/// Ends a run after the second signal. The report lists the processes that were killed or abandoned before, and those that are
/// stuck in a poll now. It does not list the processes that are killed here, because the signal asked for that.
async fn kill<T>(runtime: &RuntimeHandle, root: Pid, signal: OsSignal, mut report: ReportBuilder) -> RunOutcome<T> {
    let is_member = |pid, entry: &Entry| pid == root || entry.root() == Some(root);
    report.add(kill_group(runtime, &is_member).await);
    RunOutcome {
        result: Err(Exit::Killed),
        was_asked: true,
        cut_short_by: Some(signal),
        report: report.take(),
        signals: None,
    }
}
