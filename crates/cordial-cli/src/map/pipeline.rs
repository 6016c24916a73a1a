//! The work of a run: a stream of tasks over items, each task one command, and what is printed of it.
//!
//! Order, retries and how many there are at once are the stream's part. What is left here is to put the parts together, to print results as
//! they come, and to end for one of these reasons: there are no more items, something has stopped the run, nobody reads our output, or
//! our input, our output or our records are broken.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cordial::{Failure, Retry, Task, Timeout};
use futures_core::Stream;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc::Receiver;
use tokio::time::{self, MissedTickBehavior};

use crate::args::MapOptions;
use crate::output::capture::Room;
use crate::item_failure::plain;
use crate::stop::halt::{Halt, Policy, Share};
use crate::map::attempts::{Job, Work, is_worth_it};
use crate::launch::{Gate, Launcher, Outputs, Settings};
use crate::records::run_records::Broken;
use crate::map::lifecycle::Rest;
use crate::outcome::Outcome;
use crate::output::{Lines, Live};
use crate::report::printer::Form;
use crate::map::config::{Items, Plan, Printing};
use crate::report::progress::{Facts, TICK};
use crate::map::pending::Queue;
use crate::report::printer::Report;
use crate::input::Source;
use crate::stop::token::{Level, Stop};
use crate::report::summary::Cause;
use crate::system::{self, Common, Outs, Starter};
use crate::exit_reason::Verdict;

/// How long a last word may take. Whoever should read it may have stopped reading before.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How many finished results may wait for an older one. What they hold in memory is bounded elsewhere.
const AHEAD: usize = 4096;

/// Everything but listening to signals.
pub(crate) async fn work<O, E>(plan: Plan, name: String, rest: Rest, stop: Stop, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let Plan { items, template, program, at_once, printing, policy, ledger, options } = plan;
    let mut source = match source(items, &options, &stop) {
        Ok(source) => source,
        Err(sentence) => {
            report.complain(&sentence).await;
            return Verdict::Broken;
        }
    };
    let (ledger, room, skipped) = (Arc::new(ledger), Room::default(), Arc::new(AtomicU64::new(0)));
    if options.dry_run {
        return dry_run(Queue { source, ledger, room, skipped }, report).await;
    }
    let mut total = 0;
    if let Policy::Halt { failed: Share::Percent(_), .. } = policy {
        if let Err(error) = source.collect().await {
            return tell(&Broken::Input(error), report).await;
        }
        let (known, per_command) = source.known();
        total = known.total(per_command).unwrap_or_default();
    }
    let halt = Arc::new(Halt::new(policy, total));
    let (outputs, mut live) = match printing {
        Printing::Whole(_) => (Outputs::Captured, None),
        Printing::Not => (Outputs::Inherited, None),
        Printing::Lines { is_tagged } => {
            let (live, lines) = Live::new(is_tagged);
            (Outputs::Live(live), Some(lines))
        }
    };
    let attempts = options.retries.saturating_add(1);
    let outs = if matches!(outputs, Outputs::Inherited) { Outs::Ours } else { Outs::Pipes };
    let starter = Starter::new(Common { program, workdir: options.workdir.clone(), outputs: outs, run: name });
    let settings = Settings {
        template,
        starter,
        outputs,
        at_once,
        timeout: options.timeout,
        grace: options.grace,
        attempts,
        gate: Gate::new(options.delay, options.load, options.memfree),
        groups: rest.groups.clone(),
        room: room.clone(),
        stop: stop.clone(),
        halt: Arc::clone(&halt),
    };
    let launcher = match Launcher::start(settings) {
        Ok((launcher, ended)) => {
            let _ = rest.launcher.set(Mutex::new(ended));
            launcher
        }
        Err(error) => {
            report.complain(&format!("no thread can be started: {}", plain(&error))).await;
            return Verdict::Broken;
        }
    };
    let job = Arc::new(Job { launcher, ledger: Arc::clone(&ledger), attempts, room: room.clone(), stop, halt });
    let known = source.known();
    let queue = Queue { source, ledger, room: room.clone(), skipped: Arc::clone(&skipped) };
    let runner = Arc::clone(&job);
    let results = Task::async_stream_from(queue, move |work| runner.attempt(work))
        .max_concurrency(Launcher::wanted(at_once))
        .max_ahead(AHEAD)
        // Items have a limit of their own, which ends their processes in a known way.
        .timeout(Timeout::Infinity)
        .or_exit()
        .retry(Retry::times(options.retries as usize).when(is_worth_it))
        .zip_input_on_exit();
    report.progress.begin(Facts { counts: results.progress(), known, skipped });
    let is_ordered = matches!(printing, Printing::Whole(_)) && !options.unordered;
    let results = if is_ordered { results } else { results.unordered() };
    let form = match printing {
        Printing::Whole(form) => form,
        Printing::Lines { .. } | Printing::Not => Form::Plain,
    };
    if let Err(error) = print(results, &mut live, form, &room, report).await {
        return unwritable(&error, report).await;
    }
    conclude(&job, &rest, report).await
}

/// The items. From here on standard input is ours alone.
fn source(items: Items, options: &MapOptions, stop: &Stop) -> Result<Source, String> {
    let per_command = options.max_args.get();
    let standard_input =
        system::standard_input().map_err(|error| format!("standard input cannot be taken over: {}", plain(&error)))?;
    let longest = system::LONGEST_ARGUMENT;
    let (source, reading) = match items {
        Items::Given(product) => return Ok(Source::given(product, per_command, stop.clone())),
        Items::StandardInput { delimiter } => {
            Source::read(standard_input, delimiter, longest, per_command, stop.clone())
        }
        Items::File { file, delimiter } => {
            Source::read(tokio::fs::File::from_std(file), delimiter, longest, per_command, stop.clone())
        }
    };
    Task::start(reading);
    Ok(source)
}

/// Prints commands instead of running them.
async fn dry_run<O, E>(queue: Queue, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let ledger = Arc::clone(&queue.ledger);
    let mut queue = pin!(queue);
    while let Some(work) = poll_fn(|cx| queue.as_mut().poll_next(cx)).await {
        if let Err(error) = report.print_line(&ledger.template.show(work.item(), 1)).await {
            return unwritable(&error, report).await;
        }
    }
    match (report.flush().await, ledger.broken.get()) {
        (Err(error), _) => unwritable(&error, report).await,
        (Ok(()), Some(broken)) => tell(broken, report).await,
        (Ok(()), None) => Verdict::Finished { failed: 0 },
    }
}

/// Prints results until there are no more.
async fn print<O, E>(
    results: impl Stream<Item = Result<Outcome, Failure<Arc<Work>>>>,
    live: &mut Option<Receiver<Lines>>,
    form: Form,
    room: &Room,
    report: &mut Report<O, E>,
) -> io::Result<()>
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    enum Next {
        Result(Option<Box<Result<Outcome, Failure<Arc<Work>>>>>),
        Lines(Lines),
        /// Nothing else is there at the moment.
        Flush,
        Tick,
    }
    let mut results = pin!(results);
    let mut ticks = time::interval_at(time::Instant::now() + 2 * TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let holds_something = report.holds_something();
        let next = poll_fn(|cx| {
            // Lines first: those of an item come before its end.
            if let Some(live) = live
                && let Poll::Ready(Some(lines)) = live.poll_recv(cx)
            {
                return Poll::Ready(Next::Lines(lines));
            }
            if let Poll::Ready(result) = results.as_mut().poll_next(cx) {
                return Poll::Ready(Next::Result(result.map(Box::new)));
            }
            if holds_something {
                return Poll::Ready(Next::Flush);
            }
            ticks.poll_tick(cx).map(|_| Next::Tick)
        })
        .await;
        match next {
            Next::Lines(lines) => report.print_lines(lines).await?,
            Next::Result(Some(result)) => {
                let outcome = result.unwrap_or_else(|Failure { input, exit, .. }| input.into_outcome(&exit, room));
                report.print(outcome, form).await?;
            }
            Next::Result(None) => break,
            Next::Flush => report.flush().await?,
            Next::Tick => report.tick().await,
        }
    }
    // The stream has ended, but lines may have come since the last look.
    while let Some(lines) = live.as_mut().and_then(|live| live.try_recv().ok()) {
        report.print_lines(lines).await?;
    }
    report.flush().await
}

/// The last lines, and how the run has ended.
async fn conclude<O, E>(job: &Job, rest: &Rest, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let cause = match rest.stopped_by.get() {
        Some(interrupt) => Cause::Interrupted(*interrupt),
        None if job.stop.level() > Level::Go && job.ledger.broken.get().is_none() => Cause::Halted,
        None => Cause::Finished,
    };
    let _ = time::timeout(LAST_WORD, async {
        report.conclude(cause).await;
        if let Some(advice) = job.ledger.advice() {
            report.advise(&advice).await;
        }
    })
    .await;
    match job.ledger.broken.get() {
        Some(broken) => tell(broken, report).await,
        None => report.summary.verdict(cause, &job.halt),
    }
}

async fn tell<O, E>(broken: &Broken, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    match broken {
        Broken::Input(error) => report.complain(&format!("the items cannot be read: {}", plain(error))).await,
        Broken::Ledger(sentence) => report.complain(sentence).await,
    }
    Verdict::Broken
}

async fn unwritable<O, E>(error: &io::Error, report: &mut Report<O, E>) -> Verdict
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Verdict::OutputClosed;
    }
    report.complain(&format!("standard output cannot be written: {}", plain(error))).await;
    Verdict::Broken
}
