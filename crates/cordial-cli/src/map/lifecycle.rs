//! The command `map` from its start to its end.
//!
//! ```text
//! signal   effect
//! first    no further command is started; running commands receive SIGTERM and have the grace period to exit; their outcomes are printed
//! second   all commands are killed
//! ```

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cordial::Runtime;
use tokio::io::AsyncWriteExt;
use tokio::time;

use super::adjust::adjust;
use super::arguments;
use super::config::{Config, Input};
use super::observer::{name_root, observe};
use super::pipeline::{LAST_OUTPUT_TIMEOUT, run_items};
use super::run_state::RunState;
use crate::args::MapOptions;
use crate::blocking_io::{Writer, print_message};
use crate::exit_reason::ExitReason;
use crate::input::Origin;
use crate::report::{Printer, RunEnd};
use crate::stop::token::{StopLevel, StopToken};
use crate::system::{
    self, GroupTable, JobControl, LimitSignals, StandardError, StandardOutput, StopSignal, StopSignals,
};
use crate::text::display::ERASE_BAR;
use crate::text::{build_error, io_error};

/// How long to wait for the threads that run commands after all commands were killed.
const LAUNCHER_TIMEOUT: Duration = Duration::from_secs(3);

/// After the first signal: if no command runs and nothing is printed for this long, the reader of the output counts as one that has stopped
/// reading.
const STALL_TIME: Duration = Duration::from_secs(1);

/// How long it may take to announce the stop. Meanwhile, no other signal is received.
const ANNOUNCEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the command, and returns the exit status of the program.
pub(crate) fn run(options: MapOptions) -> ExitCode {
    // Before the first child process: `Config::new` may start one, such as the `ssh` that asks a host for its number of processors.
    system::keep_exit_statuses();
    system::survive_file_size_limit();
    let config = Config::new(options).and_then(|config| {
        if let Some(by) = config.options.nice {
            system::lower_priority(by).map_err(|error| {
                format!("cannot lower the priority by {by} (--nice): {}", io_error::describe(&error))
            })?;
        }
        Ok(config)
    });
    let config = match config {
        Ok(config) => config,
        Err(message) => return report_error(&message),
    };
    let run_name = new_run_name();
    let (guard, state) = match system::start_guard(&run_name) {
        Ok((pipe, guard)) => (Some(guard), RunState { groups: GroupTable::new(Some(pipe)), ..RunState::default() }),
        // The run continues without a guard. Commands then keep running if SIGKILL kills this process.
        Err(_) => (None, RunState::default()),
    };
    system::block_sigchld();
    let runtime = Runtime::builder().build();
    let reason = match &runtime {
        // `Runtime::run` would handle signals itself: a second signal would kill the root task
        // before the summary is printed.
        Ok(runtime) => match open(config, runtime) {
            Ok(config) => runtime.block_on(root(config, run_name, state.clone())).unwrap_or_else(|exit| {
                print_message(format_args!("internal error: {exit:#}; please report it"));
                ExitReason::Error
            }),
            Err(message) => {
                print_message(message);
                ExitReason::Error
            }
        },
        Err(error) => {
            print_message(build_error::describe(error));
            ExitReason::Error
        }
    };
    state.groups.kill_all();
    if let Some(launcher_end) = state.launcher_end.get().and_then(|end| end.lock().ok()) {
        let _ = launcher_end.recv_timeout(LAUNCHER_TIMEOUT);
    }
    state.groups.dismiss_guard();
    if let Some(mut guard) = guard {
        // The guard exits because its pipe was just closed.
        let _ = guard.wait();
    }
    reason.into()
}

/// Starts the observer, opens the joblog and the directory of results, and says so if the items are read from the terminal.
fn open(config: Config, runtime: &Runtime) -> Result<Config, String> {
    if let Some(address) = &config.options.observe {
        observe(address, runtime)?;
    }
    let config = config.open_records()?;
    match &config.input {
        Input::Items(sources) if config.options.items.header.is_none() => {
            arguments::announce_terminal(&config.options, &sources.sources);
        }
        Input::Blocks(Origin::Stdin, _) => arguments::announce_typed_input(config.options.quiet),
        Input::Items(_) | Input::Blocks(..) => {}
    }
    Ok(config)
}

fn report_error(message: &str) -> ExitCode {
    print_message(message);
    ExitReason::Error.into()
}

/// Returns a name that no other run on this machine has.
fn new_run_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}

/// The root task: runs the items and handles signals.
async fn root(config: Config, run_name: String, state: RunState) -> ExitReason {
    if config.options.observe.is_some() {
        name_root();
    }
    let (stdout, stderr) = (Writer::new(|| StandardOutput), Writer::new(|| StandardError));
    let mut printer = Printer::new(stdout, stderr, config.options.quiet, config.progress_mode());
    let handlers = StopSignals::listen()
        .and_then(|stop_signals| Ok((stop_signals, JobControl::listen()?, LimitSignals::listen()?)));
    let (mut stop_signals, mut job_control, limit_signals) = match handlers {
        Ok(handlers) => handlers,
        Err(error) => {
            let message = format!("cannot install signal handlers: {}", io_error::describe(&error));
            printer.print_message(&message).await;
            return ExitReason::Error;
        }
    };
    let stop = StopToken::new();
    let printed = printer.printed();
    let groups = state.groups.clone();
    let (grace, is_quiet) = (config.options.grace, config.options.quiet);
    let mut adjusting = pin!(adjust(config.limit.clone(), limit_signals, config.options.concurrency.clone()));
    let reason = {
        let mut items = Box::pin(run_items(config, run_name, state.clone(), stop.clone(), &mut printer));
        let mut forwarding = pin!(async {
            tokio::join!(job_control.forward(&groups), system::reap_orphans(&groups));
        });
        let signal = tokio::select! {
            biased;
            signal = stop_signals.next() => signal,
            () = &mut forwarding => return ExitReason::Error,
            () = &mut adjusting => return ExitReason::Error,
            reason = &mut items => return reason,
        };
        let _ = state.stop_signal.set(signal);
        stop.raise(StopLevel::Terminate);
        announce_stop(grace, is_quiet).await;
        let reason = tokio::select! {
            biased;
            _ = stop_signals.next() => None,
            () = &mut forwarding => None,
            () = output_stalled(&groups, &printed) => None,
            reason = &mut items => Some(reason),
        };
        match reason {
            Some(reason) => Some(reason),
            None => {
                stop.raise(StopLevel::Kill);
                groups.kill_all();
                // The outcomes of the killed commands and the summary are still printed, unless the readers of the outputs have stopped
                // reading.
                time::timeout(LAST_OUTPUT_TIMEOUT, &mut items).await.ok()
            }
        }
    };
    match (reason, state.stop_signal.get()) {
        (Some(reason), _) => reason,
        (None, signal) => {
            // Some outcomes were not printed. The summary counts the others.
            let signal = signal.copied().unwrap_or(StopSignal::Interrupt);
            let _ = time::timeout(LAST_OUTPUT_TIMEOUT, printer.print_summary(RunEnd::Interrupted(signal))).await;
            ExitReason::Interrupted(signal)
        }
    }
}

/// Prints what the first signal has done and what another signal will do, if standard error is a
/// terminal and the run is not quiet.
async fn announce_stop(grace: Duration, is_quiet: bool) {
    if is_quiet || !io::stderr().is_terminal() {
        return;
    }
    // The next tick draws the bar again.
    let erase = if system::is_stderr_screen() { ERASE_BAR } else { "" };
    let line = format!(
        "{erase}cordial: stopping; running commands have {} to exit. Press Ctrl-C again to kill them\n",
        humantime::format_duration(grace)
    );
    let write = async {
        let mut stderr = Writer::new(|| StandardError);
        stderr.write_all(line.as_bytes()).await?;
        stderr.flush().await
    };
    let _: Result<io::Result<()>, _> = time::timeout(ANNOUNCEMENT_TIMEOUT, write).await;
}

/// Waits until no command runs on this machine, and nothing has been printed for `STALL_TIME`. Then the reader of the output has
/// stopped reading, or the server of the fleet does not answer.
async fn output_stalled(groups: &GroupTable, printed: &AtomicU64) {
    let mut before = None;
    loop {
        let now = groups.is_empty().then(|| printed.load(Ordering::Relaxed));
        if now.is_some() && now == before {
            return;
        }
        before = now;
        time::sleep(STALL_TIME).await;
    }
}
