//! The pipeline of a run: a stream runs a task for each item, each task runs the command of its
//! item, and results are printed as they arrive.
//!
//! The library's stream limits how many tasks run at once, restores the order of results, and retries. This file
//! connects the parts, prints results, and ends the run for one of these reasons: there are no more items; the run was
//! stopped; standard output was closed; the input, the output or the records have an error.

use std::future::poll_fn;
use std::io::{self, IsTerminal};
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cordial::{Failure, Retry, Task, Timeout};
use futures_core::Stream;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{self, MissedTickBehavior};

use super::attempts::{ItemRun, ItemRunner, should_retry};
use super::block_source::{self, BlockSource};
use super::config::{Config, Input, OutputMode};
use super::pending::{PendingItems, RunSource};
use super::questions::Questions;
use super::run_state::RunState;
use crate::args::MapOptions;
use crate::exit_reason::ExitReason;
use crate::fleet::{self, Fleet, SentCommands};
use crate::launch::{
    FleetFiles, FleetLaunch, LaunchConfig, Launcher, OutputTarget, RemoteLaunch, SlotLimit, TerminalStops, Throttle,
    functions_mention_parallel_names,
};
use crate::outcome::Outcome;
use crate::output::{Budget, LineBatch, LineChannel, PrintQueue};
use crate::pipe::SharedBlocks;
use crate::records::FatalError;
use crate::report::{Format, Printer, ProgressCounts, RunEnd, TICK};
use crate::stop::halt::HaltCounter;
use crate::stop::token::{StopLevel, StopToken};
use crate::system::{self, CommandInput, CommandOutput, Program, SpawnConfig, Spawner, StopSignal};
use crate::text::shell_quote::Quoting;
use crate::text::{display, io_error};

/// How long it may take to write the last output of a run that a signal has stopped, or a message that is printed beside the run. The
/// reader may have stopped reading. On a busy machine, a thread of this program may get no processor for a second or two.
pub(super) const LAST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(3);

/// How many results beyond the concurrency may wait for the result of an earlier item. `Budget` limits their memory.
const MAX_RESULTS_AHEAD: usize = 4096;

/// Runs all items, and prints their outcomes and the summary. `run_name` is in the
/// environment of each command, so that the guard process can find the command.
pub(super) async fn run_items<O, E>(
    config: Config,
    run_name: String,
    state: RunState,
    stop: StopToken,
    printer: &mut Printer<O, E>,
) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let Config {
        input,
        template,
        program,
        terminal,
        asked_at,
        items_are_typed: _,
        typed,
        remote,
        limit,
        output,
        halt,
        records,
        fleet_files,
        options,
    } = config;
    let opening = async {
        let (source, shared) = open(input, &limit, &stop).await?;
        if matches!(&source, RunSource::Items(items) if items.has_empty_list()) && !options.quiet {
            printer.print_message("one of the lists is empty, so there are no items").await;
        }
        let fleet = if options.dry_run { None } else { connect_fleet(&options).await? };
        Ok((source, shared, fleet))
    };
    let opened: Result<_, String> = tokio::select! {
        biased;
        opened = opening => opened,
        // If there are several sources, they are read to their ends before the first command is started. That may take any time.
        () = stop.wait_for(StopLevel::Drain) => return interrupted(options.dry_run, &state, printer).await,
    };
    let opened = opened.and_then(|(source, shared, fleet)| Ok((source, shared, fleet, records.open(&options)?)));
    let (mut source, shared, fleet, records) = match opened {
        Ok(opened) => opened,
        Err(message) => {
            printer.print_message(&message).await;
            return ExitReason::Error;
        }
    };
    let (records, budget, skipped) = (Arc::new(records), Budget::default(), Arc::new(AtomicU64::new(0)));
    if options.dry_run {
        let pending = PendingItems { source, records, budget, skipped, questions: None };
        return dry_run(pending, options.tag, &state, printer).await;
    }
    let mut total = 0;
    if halt.needs_total()
        && let RunSource::Items(items) = &mut source
    {
        total = match items.collect().await {
            Ok(total) => total,
            Err(error) => return report_fatal_error(&FatalError::Input(error), printer).await,
        };
    }
    let halt = Arc::new(HaltCounter::new(halt, total));
    let mut print_queue = None;
    let (target, mut lines) = match output {
        OutputMode::Grouped(_) => (OutputTarget::Capture, None),
        OutputMode::Ungrouped => (OutputTarget::Inherit, None),
        OutputMode::LineBuffered { is_tagged, is_ordered } => {
            print_queue = is_ordered.then(|| Arc::new(PrintQueue::new(budget.clone())));
            let (channel, lines) = LineChannel::new(is_tagged, print_queue.clone());
            (OutputTarget::Lines(channel), Some(lines))
        }
    };
    let max_attempts = options.retries.saturating_add(1);
    let command_input =
        if matches!(source, RunSource::Blocks(_)) { CommandInput::Piped } else { CommandInput::Inherited };
    let command_output = if output == OutputMode::Ungrouped { CommandOutput::Inherited } else { CommandOutput::Piped };
    let fleet = fleet.zip(fleet_files).map(|(fleet, files)| {
        let files = FleetFiles::new(files, run_name.clone(), state.groups.clone());
        FleetLaunch { fleet, files: Arc::new(files) }
    });
    let common_files = fleet.as_ref().map(|launch| (launch.fleet.clone(), launch.files.clone()));
    let spawn_config = SpawnConfig {
        program,
        workdir: options.workdir.clone(),
        output: command_output,
        input: command_input,
        run_name,
    };
    let remote = remote.map(|remote| {
        // The local commands that connect to the hosts run another program. They do not run in the directory of `--workdir`, which
        // is on the hosts.
        let spawn_config = SpawnConfig {
            program: Program::Searched,
            workdir: None,
            output: command_output,
            input: CommandInput::Held,
            run_name: spawn_config.run_name.clone(),
        };
        let messages = match &target {
            OutputTarget::Lines(channel) => channel.messages(),
            OutputTarget::Capture | OutputTarget::Inherit => {
                let (channel, messages) = LineChannel::new(false, None);
                lines = Some(messages);
                channel.messages()
            }
        };
        RemoteLaunch { remote, spawner: Spawner::new(spawn_config, None), messages }
    });
    let launch_config = LaunchConfig {
        template,
        typed,
        is_verbose: options.other.verbose,
        slot_variable: options.other.process_slot_var.clone(),
        functions_mention_parallel_names: functions_mention_parallel_names(),
        spawner: Spawner::new(spawn_config, terminal),
        remote,
        fleet,
        output: target,
        limit: limit.clone(),
        timeout: options.timeout,
        grace: options.grace,
        max_attempts,
        throttle: Throttle::new(options.delay, options.load, options.memfree).quiet(options.quiet),
        terminal_stops: if system::has_terminal() { TerminalStops::Watched } else { TerminalStops::Ignored },
        groups: state.groups.clone(),
        budget: budget.clone(),
        stop: stop.clone(),
        halt: Arc::clone(&halt),
        records: Arc::clone(&records),
    };
    let launcher = match Launcher::start(launch_config) {
        Ok((launcher, end)) => {
            let _ = state.launcher_end.set(Mutex::new(end));
            launcher
        }
        Err(error) => {
            let reason = io_error::describe_or(&error, "run fewer commands at once (-c)");
            let message = format!("cannot start the threads that run commands: {reason}");
            printer.print_message(&message).await;
            return ExitReason::Error;
        }
    };
    let record_count = source.count();
    let questions = asked_at.map(|terminal| Questions::new(terminal, limit.clone(), stop.clone()));
    let printed = questions.as_ref().map(|questions| questions.printed.clone());
    // With `--interactive`, no further commands wait for a slot: the question about a command is asked when a slot is free.
    let max_concurrency = if questions.is_some() { limit.get() } else { Launcher::wanted_requests(&limit) };
    let pending = PendingItems {
        source,
        records: Arc::clone(&records),
        budget: budget.clone(),
        skipped: Arc::clone(&skipped),
        questions,
    };
    let runner =
        ItemRunner { launcher, records, max_attempts, budget: budget.clone(), stop, halt, print_queue, printed };
    let runner = Arc::new(runner);
    let task_runner = Arc::clone(&runner);
    let results = Task::async_stream_from(pending, move |run| task_runner.attempt(run))
        .max_concurrency(max_concurrency)
        .max_ahead(MAX_RESULTS_AHEAD)
        // The launcher enforces `--timeout`, because it sends SIGTERM first and keeps the output.
        .timeout(Timeout::Infinity)
        .or_exit()
        .retry(Retry::times(options.retries as usize).when(should_retry))
        .zip_input_on_exit();
    printer.begin_progress(ProgressCounts { stream: results.progress(), records: record_count, skipped });
    // Without retries, items that run one at a time finish in order, so printing them in order delays none. An unordered stream could
    // change their order: if several short commands have ended, their tasks receive the outcomes and run in any order.
    let finish_in_order = limit.get() == 1 && options.retries == 0;
    let is_ordered = match output {
        OutputMode::Grouped(_) => !options.unordered || finish_in_order,
        OutputMode::LineBuffered { is_ordered, .. } => is_ordered,
        OutputMode::Ungrouped => false,
    };
    let results = if is_ordered { results } else { results.unordered() };
    // Without an observer, no label is shown.
    let results = if options.observe.is_some() { results.label(|run| run.label()) } else { results };
    let format = match output {
        OutputMode::Grouped(format) => format,
        OutputMode::LineBuffered { .. } => Format::Plain,
        OutputMode::Ungrouped => Format::Direct,
    };
    let (to, mut messages) = mpsc::channel(1);
    let _watch = common_files
        .as_ref()
        .filter(|_| !options.quiet)
        .map(|(fleet, _)| Task::builder().label("workers of the fleet").spawn(fleet::watch_workers(fleet.clone(), to)));
    if let Err(error) = print_results(results, &mut lines, &mut messages, format, &runner, printer).await {
        return report_output_error(&error, printer).await;
    }
    if let Some((fleet, files)) = common_files {
        files.delete_common(&fleet).await;
    }
    conclude(&runner, &state, shared.as_deref(), printer).await
}

/// Ends a run that a signal has stopped before its first command.
async fn interrupted<O, E>(is_dry_run: bool, state: &RunState, printer: &mut Printer<O, E>) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let signal = state.stop_signal.get().copied().unwrap_or(StopSignal::Interrupt);
    if !is_dry_run {
        drop(time::timeout(LAST_OUTPUT_TIMEOUT, printer.print_summary(RunEnd::Interrupted(signal))).await);
    }
    ExitReason::Interrupted(signal)
}

/// Connects to the fleet, if commands run there, and waits for a worker.
async fn connect_fleet(options: &MapOptions) -> Result<Option<Fleet>, String> {
    let Some(url) = &options.fleet.nats else { return Ok(None) };
    system::check_room_for_thread()
        .map_err(|error| format!("cannot use a fleet (--nats): {}", io_error::describe(&error)))?;
    let cluster = fleet::connect(url, &options.fleet.server, None).await?;
    let group = options.fleet.fleet_group.clone().unwrap_or_else(|| "default".to_owned());
    let fleet = Fleet { cluster, url: url.clone(), group, sent: SentCommands::default() };
    fleet.wait_served().await?;
    Ok(Some(fleet))
}

/// Opens the input. From here on, only this program reads its standard input, and commands do not inherit it.
async fn open(
    input: Input,
    limit: &SlotLimit,
    stop: &StopToken,
) -> Result<(RunSource, Option<Arc<SharedBlocks>>), String> {
    let stdin = system::take_stdin()
        .map_err(|error| format!("cannot take over standard input: {}", io_error::describe(&error)))?;
    match input {
        Input::Items(sources) => Ok((RunSource::Items(Box::new(sources.open(stdin, stop.clone()).await?)), None)),
        Input::Blocks(origin, options) => {
            let blocks = block_source::start(origin, *options, stdin, limit.clone())?;
            let shared = blocks.shared();
            Ok((RunSource::Blocks(BlockSource::new(blocks, stop.clone())), shared))
        }
    }
}

/// Prints the commands instead of running them.
async fn dry_run<O, E>(
    pending: PendingItems,
    is_tagged: bool,
    state: &RunState,
    printer: &mut Printer<O, E>,
) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let records = Arc::clone(&pending.records);
    let failed = match print_commands(pending, is_tagged, printer).await {
        Ok(failed) => failed,
        Err(error) => return report_output_error(&error, printer).await,
    };
    match (records.fatal_error(), state.stop_signal.get()) {
        (Some(error), _) => report_fatal_error(error, printer).await,
        (None, Some(signal)) => ExitReason::Interrupted(*signal),
        (None, None) => ExitReason::Finished { failed },
    }
}

/// Prints the commands, and returns the number of items that have none.
async fn print_commands<O, E>(pending: PendingItems, is_tagged: bool, printer: &mut Printer<O, E>) -> io::Result<u64>
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    enum Next {
        Item(Option<Arc<ItemRun>>),
        /// The next item was not read yet, and the buffer is not empty.
        Flush,
    }
    let records = Arc::clone(&pending.records);
    // A terminal would interpret the control characters of an item, so they are escaped there. Other output may be read by any shell.
    let quoting = if io::stdout().is_terminal() { Quoting::OneLine } else { Quoting::AnyShell };
    let mut pending = pin!(pending);
    let mut failed = 0;
    loop {
        let is_buffered = printer.is_buffered();
        let next = poll_fn(|cx| match pending.as_mut().poll_next(cx) {
            Poll::Pending if is_buffered => Poll::Ready(Next::Flush),
            item => item.map(Next::Item),
        });
        match next.await {
            Next::Item(Some(run)) => {
                let item = run.item();
                if let Some(failure) = records.failure_of_command(item) {
                    let text = display::quoted(&item.text());
                    printer.print_message(&format!("item {} {text} would fail: {failure}", item.index)).await;
                    failed += 1;
                    continue;
                }
                let tag = if is_tagged { item.tag() } else { Vec::new() };
                printer.print_command(&records.printed_command(item, quoting), &tag).await?;
            }
            Next::Item(None) => return printer.flush().await.map(|()| failed),
            Next::Flush => printer.flush().await?,
        }
    }
}

/// Prints results, and messages about the fleet, until the stream ends.
async fn print_results<O, E>(
    results: impl Stream<Item = Result<Outcome, Failure<Arc<ItemRun>>>>,
    lines: &mut Option<Receiver<LineBatch>>,
    messages: &mut Receiver<String>,
    format: Format,
    runner: &ItemRunner,
    printer: &mut Printer<O, E>,
) -> io::Result<()>
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    enum Next {
        Result(Option<Box<Result<Outcome, Failure<Arc<ItemRun>>>>>),
        Lines(LineBatch),
        Message(String),
        /// Neither lines nor a result are ready, and the buffer is not empty.
        Flush,
        Tick,
    }
    let mut results = pin!(results);
    let mut ticks = time::interval_at(time::Instant::now() + 2 * TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_buffered = printer.is_buffered();
        let next = poll_fn(|cx| {
            // Polled before the lines. The stream starts items only when it is polled, and a command that writes faster than its lines
            // are printed always has further lines.
            if let Poll::Ready(result) = results.as_mut().poll_next(cx) {
                return Poll::Ready(Next::Result(result.map(Box::new)));
            }
            if let Some(lines) = lines
                && let Poll::Ready(Some(batch)) = lines.poll_recv(cx)
            {
                return Poll::Ready(Next::Lines(batch));
            }
            if is_buffered {
                return Poll::Ready(Next::Flush);
            }
            if let Poll::Ready(Some(message)) = messages.poll_recv(cx) {
                return Poll::Ready(Next::Message(message));
            }
            ticks.poll_tick(cx).map(|_| Next::Tick)
        })
        .await;
        match next {
            Next::Lines(batch) => printer.print_lines(batch).await?,
            Next::Result(Some(result)) => {
                print_arrived_lines(lines, printer).await?;
                let outcome =
                    result.unwrap_or_else(|Failure { input, exit, .. }| input.into_outcome(&exit, &runner.budget));
                printer.print(outcome, format).await?;
                if let Some(held) = runner.print_queue.as_ref().and_then(|print_queue| print_queue.advance()) {
                    printer.print_held(held).await?;
                }
                if let Some(printed) = &runner.printed {
                    // Before the next question.
                    printer.flush().await?;
                    printed.add_one();
                }
            }
            Next::Result(None) => break,
            Next::Message(message) => printer.print_message(&message).await,
            Next::Flush => printer.flush().await?,
            Next::Tick => printer.tick().await,
        }
    }
    print_arrived_lines(lines, printer).await?;
    printer.flush().await
}

/// Prints the lines that were sent before this call. Called before a result is printed, because the last lines of its command come before
/// the result.
async fn print_arrived_lines<O, E>(
    lines: &mut Option<Receiver<LineBatch>>,
    printer: &mut Printer<O, E>,
) -> io::Result<()>
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let Some(lines) = lines else { return Ok(()) };
    // Only the lines that wait now are printed: commands that still run may send further lines all the time, so `lines` may never be empty.
    for _ in 0..lines.len() {
        if let Some(batch) = lines.recv().await {
            printer.print_lines(batch).await?;
        }
    }
    Ok(())
}

/// Prints the summary, and returns why the program exits.
async fn conclude<O, E>(
    runner: &ItemRunner,
    state: &RunState,
    shared: Option<&SharedBlocks>,
    printer: &mut Printer<O, E>,
) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    if let Some(error) = shared.and_then(SharedBlocks::take_error) {
        let _ = runner.records.abort(FatalError::Input(error));
    }
    let fatal_error = runner.records.fatal_error();
    let end = match state.stop_signal.get() {
        Some(signal) => RunEnd::Interrupted(*signal),
        // Ctrl-C ended the command that has the terminal. The same signal, which this program then sends to itself, may arrive
        // after the end of the run.
        None if runner.stop.is_interrupted() => RunEnd::Interrupted(StopSignal::Interrupt),
        None if runner.stop.level() > StopLevel::Running && fatal_error.is_none() => {
            RunEnd::Halted { cause: runner.halt.cause() }
        }
        None => RunEnd::Finished,
    };
    let summary = async {
        printer.print_summary(end).await;
        for advice in runner.records.advice(end == RunEnd::Finished && fatal_error.is_none()) {
            printer.print_advice(&advice).await;
        }
        // Not printed if commands were terminated: they have rarely read the whole input, and the summary counts them.
        let were_ended = runner.stop.level() > StopLevel::Drain || matches!(end, RunEnd::Interrupted(_));
        if !were_ended
            && let Some(shared) = shared
            && shared.has_unread_blocks().await
        {
            printer
                .print_message("the input was not read to its end, because all commands of --round-robin had ended")
                .await;
        }
    };
    match end {
        RunEnd::Interrupted(_) => drop(time::timeout(LAST_OUTPUT_TIMEOUT, summary).await),
        // No timeout: a slow reader also delays the outputs of items for any time.
        RunEnd::Finished | RunEnd::Halted { .. } => summary.await,
    }
    match fatal_error {
        Some(error) => report_fatal_error(error, printer).await,
        None => printer.exit_reason(end, &runner.halt),
    }
}

async fn report_fatal_error<O, E>(error: &FatalError, printer: &mut Printer<O, E>) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let message = match error {
        FatalError::Input(error) => format!("cannot read the items: {}", io_error::describe(error)),
        FatalError::Records(message) => message.clone(),
    };
    printer.print_message(&message).await;
    ExitReason::Error
}

async fn report_output_error<O, E>(error: &io::Error, printer: &mut Printer<O, E>) -> ExitReason
where
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitReason::OutputClosed;
    }
    printer.print_message(&format!("cannot write to standard output: {}", io_error::describe(error))).await;
    ExitReason::Error
}

#[cfg(test)]
mod tests;
