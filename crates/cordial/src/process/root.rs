//! The root process of a program: signals of the operating system, and an orderly end.
//!
//! ```text
//!  signal      what happens
//!  first       the root process is asked to end, and has all the time it wants if it asked to be told
//!  (root ends) what it has started, and what those have started, is shut down: 5 s, then killed
//!  second      everything that descends from the root is killed, and `run` answers within 100 ms
//! ```

use std::io::Write;
use std::panic::Location;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::block_on::{assert_may_block, block_on};
use super::default_runtime;
use super::entry::Entry;
use super::handle::Handle;
use super::os_signals::{OsSignal, OsSignals};
use super::outcome::Outcome;
use super::report_builder::ReportBuilder;
use super::signal::Signal;
use super::spawn::Spawn;
use super::stop::{self, Shutdown, StopReport};
use crate::exit::Exit;
use crate::pid::Pid;

/// How long the second signal waits for destructors. With what it takes to get here, less than 100 ms.
const AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(70);

/// How a run ended.
pub(crate) struct Ended<T> {
    pub(crate) result: Result<T, Exit>,
    /// The second signal, if there was one.
    pub(crate) cut_short_by: Option<OsSignal>,
    /// Who did not end when asked.
    pub(crate) report: StopReport,
}

/// Runs a future as the root process of a program, on the default runtime, and blocks until everything that it started
/// has ended.
///
/// The first SIGINT or SIGTERM (on Windows: Ctrl-C) asks the root process to end, without a limit: if it has polled
/// [`shutdown_requested`](crate::shutdown_requested) it ends itself, else its future is dropped. When it has ended, so or
/// by itself, every process that descends from it is shut down: asked, and killed after 5 s. Then `run` returns, and the
/// runtime stays usable. A second signal kills all of them, and `run` answers [`Exit::Killed`] within 100 ms. Whoever
/// signals a program and its group sends two: `timeout` needs `--foreground`.
///
/// A root that has not polled `shutdown_requested` is dropped at its await, whatever it waits for there: to finish
/// something on Ctrl-C, await `shutdown_requested`, in a `select!` with the work. Listening to `tokio::signal` is not
/// asking to be told.
///
/// The output of the future is the value: where that is a `Result` itself, `run(..)?` unwraps ours and gives the inner one.
///
/// Processes that were spawned elsewhere (by other threads, or inside `tokio::spawn`) are left alone. tokio keeps its
/// signal handlers: after `run` has returned, Ctrl-C no longer ends the program by itself.
///
/// # Errors
///
/// The [`Exit`] of the root process, if it gave no value.
///
/// # Panics
///
/// On a tokio worker and in a simulation, where blocking would stop everything; and if the default runtime cannot start.
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
    run_on(default_runtime::get(), future, Location::caller()).result
}

/// [`run`] for `fn main`: the status is 0 after a value or an orderly shutdown. Any other exit is printed to standard
/// error and the status is 1; after a second signal it is 130 (SIGINT) or 143 (SIGTERM). Who did not end when asked is named
/// on standard error; after a second signal, who is stuck in a poll.
///
/// An orderly shutdown is [`Exit::Shutdown`]: somebody has asked for it, or the root ended itself so. It is none if a
/// [`Supervisor`](crate::Supervisor) gave up and the root ended with it, though that exit is a `Shutdown` too: that is
/// printed, with the child and its last exit, and the status is 1, so that whatever runs the program can start it again.
///
/// # Panics
///
/// As [`run`].
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
    let runtime = default_runtime::get();
    let ended = run_on(runtime, future, Location::caller());
    if !ended.report.is_clean() {
        let _ = writeln!(std::io::stderr(), "Stopped: {}", ended.report);
    }
    if let Some(signal) = ended.cut_short_by {
        return ExitCode::from(signal.status());
    }
    match ended.result.and_then(Outcome::into_result) {
        Ok(()) | Err(Exit::Normal) => ExitCode::SUCCESS,
        Err(exit @ Exit::Shutdown(_)) if !runtime.restart_limit_exits().has(&exit) => ExitCode::SUCCESS,
        Err(exit) => {
            // Standard error may be closed; the status tells it then.
            let _ = writeln!(std::io::stderr(), "Error: {exit}");
            ExitCode::FAILURE
        }
    }
}

/// The caller has made sure that it may block.
pub(crate) fn run_on<F>(runtime: &Handle, future: F, spawned_at: &'static Location<'static>) -> Ended<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let refused = |exit| Ended { result: Err(exit), cut_short_by: None, report: StopReport::default() };
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
        let mut asked = false;
        let result = loop {
            match select(&mut root.join, pin!(signals.next())).await {
                Either::Left((reply, _)) => break reply.take(),
                Either::Right((signal, _)) if asked => {
                    return kill(runtime, pid, signal, ReportBuilder::default()).await;
                }
                Either::Right(_) => {
                    asked = true;
                    runtime.signal(pid, Signal::Sent { from: None, reason: Exit::Shutdown(None) });
                }
            }
        };
        // One that belongs to the runtime stays.
        let is_left = |_, entry: &Entry| {
            let belongs_to_runtime = entry.guardian().is_some_and(|guardian| guardian.owner.is_none());
            entry.root() == Some(pid) && !belongs_to_runtime
        };
        let mut report = ReportBuilder::default();
        let cut_short_by = {
            let mut stopped = pin!(stop::stop_in_order_into(&mut report, runtime, &is_left, Shutdown::default()));
            loop {
                match select(&mut stopped, pin!(signals.next())).await {
                    Either::Left(((), _)) => break None,
                    Either::Right((signal, _)) if asked => break Some(signal),
                    // What is left has been asked already.
                    Either::Right(_) => asked = true,
                }
            }
        };
        match cut_short_by {
            None => Ended { result, cut_short_by, report: report.take() },
            Some(signal) => kill(runtime, pid, signal, report).await,
        }
    })
}

/// The report tells what was forced before, and who is stuck: that everybody else was killed is what the signal asked for.
async fn kill<T>(runtime: &Handle, root: Pid, signal: OsSignal, mut report: ReportBuilder) -> Ended<T> {
    let is_meant = |pid, entry: &Entry| pid == root || entry.root() == Some(root);
    report.add(stop::kill_all(runtime, is_meant, AFTER_SECOND_SIGNAL).await);
    Ended { result: Err(Exit::Killed), cut_short_by: Some(signal), report: report.take() }
}
