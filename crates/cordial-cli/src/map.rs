//! The command `map`: a stream of tasks over the lines of standard input, each task one command.
//!
//! Order, limits and giving up are the stream's work. What is left here is to print results as they come, and to stop for one of four
//! reasons: the input has ended, somebody asks us to, nobody reads our output, or our input or output is broken.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cordial::{Exit, Runtime, Task, Timeout};
use futures_core::Stream;
use tokio::io::AsyncWrite;
use tokio::time;

use crate::args::MapOptions;
use crate::command::Template;
use crate::failure::plain;
use crate::input::Items;
use crate::item::Item;
use crate::job::{Done, Job};
use crate::report::Report;
use crate::system::{self, Interrupt, Interrupts};
use crate::verdict::Verdict;

/// How long a last word may take. Whoever should read it may have stopped reading before.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Runs the command to its end and gives the exit status.
pub(crate) fn run(options: MapOptions) -> ExitCode {
    // Children inherit the priority of the thread that starts them, so no thread is ever lowered.
    if let Err(error) = Runtime::builder().lower_stuck(false).install() {
        let _ = writeln!(io::stderr(), "cordial: {error}");
        return Verdict::Broken.into();
    }
    let stopped = Arc::new(OnceLock::new());
    match cordial::run(root(options, Arc::clone(&stopped))) {
        Ok(verdict) => verdict,
        // A second signal ended us before the first was fully obeyed.
        Err(Exit::Killed) => Verdict::Interrupted(stopped.get().copied().unwrap_or(Interrupt::Interrupt)),
        Err(exit) => {
            let _ = writeln!(io::stderr(), "cordial: this is an error of cordial itself, please report it: {exit}");
            Verdict::Broken
        }
    }
    .into()
}

/// The root process. By asking for requests to shut down it keeps the right to end by itself.
async fn root(options: MapOptions, stopped: Arc<OnceLock<Interrupt>>) -> Verdict {
    let mut report = Report::new(tokio::io::stdout(), tokio::io::stderr());
    let mut interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => {
            report.complain(&format!("requests to stop cannot be heard: {}", plain(&error))).await;
            return Verdict::Broken;
        }
    };
    let max_concurrency = options.max_concurrency().get();
    let job = Arc::new(Job { template: Template::new(options.command), timeout: options.timeout });
    let items = Items::new(tokio::io::stdin(), system::LONGEST_ARGUMENT);
    let results = Task::async_stream_from(items, move |item| run_item(Arc::clone(&job), item))
        .max_concurrency(max_concurrency)
        // Items have a limit of their own, which ends their processes in a known way.
        .timeout(Timeout::Infinity);

    let interrupt = tokio::select! {
        biased;
        interrupt = asked_to_stop(&mut interrupts) => interrupt,
        verdict = print(results, &mut report) => return verdict,
    };
    // The stream is gone, and with it all that ran.
    let _ = stopped.set(interrupt);
    let _ = time::timeout(LAST_WORD, report.stopped(interrupt)).await;
    Verdict::Interrupted(interrupt)
}

/// What a task does. An input that cannot be read passes through, so that it is told after the items before it.
async fn run_item(job: Arc<Job>, item: io::Result<Item>) -> io::Result<Done> {
    Ok(job.run(item?).await)
}

/// Prints results until there are no more.
async fn print<O, E>(results: impl Stream<Item = Result<io::Result<Done>, Exit>>, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let mut results = std::pin::pin!(results);
    while let Some(result) = std::future::poll_fn(|cx| results.as_mut().poll_next(cx)).await {
        let printed = match result {
            Ok(Ok(done)) => report.print(done).await,
            Ok(Err(error)) => {
                report.complain(&format!("standard input cannot be read: {}", plain(&error))).await;
                return Verdict::Broken;
            }
            Err(exit) => {
                report.print_lost(exit.to_string()).await;
                Ok(())
            }
        };
        if let Err(error) = printed {
            return unwritable(error, report).await;
        }
    }
    report.verdict()
}

async fn unwritable<O, E>(error: io::Error, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Verdict::OutputClosed;
    }
    report.complain(&format!("standard output cannot be written: {}", plain(&error))).await;
    Verdict::Broken
}

/// Waits until the program is asked to stop, and says by what.
async fn asked_to_stop(interrupts: &mut Interrupts) -> Interrupt {
    tokio::select! {
        biased;
        interrupt = interrupts.next() => interrupt,
        // The library heard of a signal before we did; ours must be near.
        () = cordial::shutdown_requested() => {
            time::timeout(LAST_WORD, interrupts.next()).await.unwrap_or(Interrupt::Terminate)
        }
    }
}
