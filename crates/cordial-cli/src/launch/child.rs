//! Runs one command to its end, reads its outputs, and limits its time.
//!
//! ```text
//! start ──► running ─────────────────────────► process exited ──► outputs are read ──► group is killed
//!              │ 1                               ▲
//!              ├──► SIGTERM ── grace ──► SIGKILL ┘
//!              │ 2
//!              └──► SIGKILL, and the outputs are not read
//! ```
//!
//! 1: the timeout, the stop of the run, an error of the outputs or of the wait, or a terminal that has stopped the command. Without
//! a grace period, there is no SIGTERM. 2: no task waits for the outcome any more.
//!
//! A command is finished when its process has exited. Its background processes are then killed, because they could hold the
//! pipes open for hours. Some of them still write the last output (`bash -c 'exec > >(tee log); …'`), so the pipes are read for
//! up to `PIPE_LINGER` before the kill.
//!
//! Dropping the future kills the process and its group.

use std::io;
use std::pin::pin;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::time::{self, Instant};

use super::feeder::feed;
use super::item_variables::{item_variables, mentions_parallel_names};
use super::output_reader::{OutputReader, Sink};
use super::request::{LaunchConfig, OutputTarget, RemoteLaunch, TerminalStops};
use crate::child_times::{FORK_TO_EXEC, KILL_TIMEOUT, PIPE_LINGER, READ_DELAY};
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::{Capture, StdStream};
use crate::remote::{ConnectionAnswer, HostSlot, RemoteCommand};
use crate::stop::token::StopLevel;
use crate::system::{self, ProcessGroup, Termination, WaitMode};
use crate::template::CommandLine;

/// The status with which `ssh` exits if its connection has failed.
const CONNECTION_FAILED: i32 = 255;

/// How long the answer of a machine may take: longer than `ssh` waits for one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The slot of a command, and with `-S` the machine on which it runs.
#[derive(Clone, Copy)]
pub(super) struct CommandSlot<'a> {
    pub(super) slot: usize,
    pub(super) machine: Option<(&'a RemoteLaunch, &'a HostSlot)>,
}

/// The outputs of a command while they are read.
type Readers = (OutputReader<tokio::process::ChildStdout>, OutputReader<tokio::process::ChildStderr>);

/// Runs the command of an item once, on this machine or through the local command that connects to another one. Kills it when
/// `cancelled` resolves.
///
/// # Cancel safety
///
/// Dropping the future kills the process group of the command.
pub(super) async fn run(
    config: &LaunchConfig,
    item: &Arc<Item>,
    attempt: u32,
    command_slot: CommandSlot<'_>,
    mode: WaitMode,
    cancelled: impl Future<Output = ()>,
) -> Outcome {
    let CommandSlot { slot, machine } = command_slot;
    let host = machine.map(|(_, host)| Arc::clone(&host.host.name));
    let without_process = |failure| Outcome {
        host: host.clone(),
        ..Outcome::without_process(Arc::clone(item), attempt, slot, failure, &config.budget)
    };
    let CommandLine { words, environment } = match config.template.fill(item, slot) {
        Ok(line) => line,
        Err(failure) => return without_process(failure),
    };
    let mentions_names = words.iter().any(|word| mentions_parallel_names(word.as_encoded_bytes()));
    let of_item = item_variables(config, item, attempt, slot, mentions_names);
    let mut variables: Vec<_> = environment.iter().map(|(name, value)| (&**name, value.clone())).collect();
    variables.extend(of_item.into_iter().map(|(name, value)| (name, value.into())));
    let remote =
        machine.and_then(|(launch, host)| Some((launch, launch.remote.command(host, item, slot, &words, &variables)?)));
    let (spawner, remote) = match remote {
        Some((launch, Ok(command))) => (&launch.spawner, Some(command)),
        Some((_, Err(failure))) => return without_process(failure),
        None => (&config.spawner, None),
    };
    let words = remote.as_ref().map_or(words, |command| command.words.clone());
    let typed = || (!config.typed.is_empty()).then(|| Arc::clone(&config.typed));
    let started = SystemTime::now();
    let clock = Instant::now();
    let mut group = match ProcessGroup::start(spawner, &words, &variables, &config.groups).await {
        Ok(group) => group,
        Err(error) => {
            let advice = system::start_advice(&words[0], config.template.program().is_none(), &error);
            return Outcome { typed: typed(), ..without_process(ItemFailure::NotStarted { error, advice }) };
        }
    };
    let outputs = UnreadOutputs::new(&mut group);
    let sink = |stream| Sink::new(stream, &config.output, item, &config.budget);
    let mut sinks = Some((sink(StdStream::Stdout), sink(StdStream::Stderr)));

    // The first poll writes what the pipe can hold, which is most often the whole input. For an item without input, `group` keeps
    // the pipe, if there is one, open while the command runs.
    let pipe = item.input.as_ref().and_then(|_| group.take_input());
    let mut feeding = pin!(feed(pipe, item.input.as_deref()));
    let mut fed = feeding.as_mut().now_or_never();
    let is_fed = fed.is_some();

    let mut cancelled = pin!(cancelled);
    let exit = async {
        // With `--line-buffer`, lines are printed without this delay.
        let may_delay_reading = is_fed
            && !matches!(config.output, OutputTarget::Lines(_))
            && config.timeout.is_none_or(|limit| limit > READ_DELAY);
        if may_delay_reading
            && group.wait_exit_timeout(READ_DELAY, mode).await.map_err(ItemFailure::WaitFailed)?
            && !outputs.may_have_data()
        {
            return group.finish().map_err(ItemFailure::WaitFailed);
        }
        let (stdout, stderr) = sinks.take().expect("the sinks are taken only here");
        let mut readers = outputs.into_readers(stdout, stderr).map_err(ItemFailure::CaptureFailed)?;
        let deadline = config.timeout.and_then(|limit| clock.checked_add(limit));
        let exit = wait_or_stop(config, group, &mut readers, deadline, cancelled.as_mut()).await;
        sinks = Some((readers.0.into_sink(), readers.1.into_sink()));
        exit
    };
    let exit = {
        let mut exit = pin!(exit);
        loop {
            tokio::select! {
                biased;
                exit = &mut exit => break exit,
                result = &mut feeding, if fed.is_none() => fed = Some(result),
            }
        }
    };
    // Without the time of the question to the machine.
    let duration = clock.elapsed();
    if let Ok(status) = exit
        && config.spawner.uses_terminal()
        && system::was_interrupted(status)
    {
        // Ctrl-C has reached only the command, because the command has the terminal. It has to stop the run as well.
        config.stop.interrupt();
        system::interrupt_this_program();
    }
    let result = match exit {
        Ok(_) if matches!(fed, Some(Err(_))) => {
            let error = fed.and_then(Result::err).unwrap_or_else(|| io::ErrorKind::Other.into());
            Err(ItemFailure::InputFailed(error))
        }
        Ok(status) if status.success() => Ok(()),
        // The command was probably killed because all commands were.
        Ok(status) if config.stop.level() == StopLevel::Kill && system::was_killed(status) => Err(ItemFailure::Killed),
        Ok(status) => match connection_failure(config, command_slot, remote, status, cancelled).await {
            Some(failure) => Err(failure),
            None => Err(ItemFailure::Unsuccessful(status)),
        },
        Err(failure) => Err(failure),
    };
    if let Some((stdout, stderr)) = &mut sinks
        && result.as_ref().is_err_and(|failure| config.may_run_again(attempt, failure))
    {
        // If a newline cannot be stored, it is lost: the item has failed already.
        let _ = stdout.end_line().await;
        let _ = stderr.end_line().await;
    }
    let capture = |sink: Option<Sink>| match sink {
        Some(Sink::Capture(capture)) => capture,
        _ => Capture::new(&config.budget),
    };
    let received = sinks.as_ref().map_or(0, |(stdout, _)| stdout.length());
    let (stdout, stderr) = sinks.unzip();
    Outcome {
        item: Arc::clone(item),
        result,
        stdout: capture(stdout),
        stderr: capture(stderr),
        received,
        attempts: attempt,
        started: Some(started),
        duration,
        slot,
        host,
        typed: typed(),
        is_recorded: false,
    }
}

/// Asks a machine whether the connection of a command has failed, if the status of the command may mean that. Returns the failure,
/// or `None` if the command itself exited with that status. The question ends early, and the item counts as stopped, when `cancelled`
/// resolves or the run is stopped.
async fn connection_failure(
    config: &LaunchConfig,
    command_slot: CommandSlot<'_>,
    command: Option<RemoteCommand>,
    status: ExitStatus,
    cancelled: impl Future<Output = ()>,
) -> Option<ItemFailure> {
    let (command, (launch, host)) = command.zip(command_slot.machine)?;
    if system::termination(status) != Termination::Exited(CONNECTION_FAILED) || config.stop.level() > StopLevel::Drain {
        return None;
    }
    let ask = async {
        let mut group = ProcessGroup::start(&launch.spawner, &command.question, &[], &config.groups).await.ok()?;
        group.wait_exit_timeout(ANSWER_TIMEOUT, WaitMode::Async).await.ok().filter(|has_exited| *has_exited)?;
        group.finish().ok()
    };
    let answer = tokio::select! {
        biased;
        answer = ask => answer,
        () = cancelled => return Some(ItemFailure::Stopped),
        () = config.stop.wait_for(StopLevel::Terminate) => return Some(ItemFailure::Stopped),
    };
    let code = answer.and_then(|status| match system::termination(status) {
        Termination::Exited(code) => Some(code),
        Termination::Signaled(_) => None,
    });
    let is_reachable = match RemoteCommand::answer(code) {
        ConnectionAnswer::CommandExited => return None,
        ConnectionAnswer::ConnectionFailed => true,
        ConnectionAnswer::NoAnswer => false,
    };
    Some(ItemFailure::ConnectionFailed { host: host.host.name.to_string(), reason: command.reason(), is_reachable })
}

/// Waits until the process of a group exits. Ends the group, with SIGTERM first, at the deadline, when the run is stopped, and
/// when `read_until_exit` fails; kills it when `cancelled` resolves.
async fn wait_or_stop(
    config: &LaunchConfig,
    mut group: ProcessGroup,
    readers: &mut Readers,
    deadline: Option<Instant>,
    cancelled: impl Future<Output = ()>,
) -> Result<ExitStatus, ItemFailure> {
    let timeout = async {
        match deadline {
            Some(deadline) => time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let failure = tokio::select! {
        biased;
        exited = read_until_exit(&mut group, readers, config.terminal_stops) => exited.err(),
        () = cancelled => {
            group.kill();
            let _ = time::timeout(KILL_TIMEOUT, group.wait_exit()).await;
            return Err(ItemFailure::Stopped);
        }
        () = config.stop.wait_for(StopLevel::Terminate) => Some(ItemFailure::Stopped),
        () = timeout => Some(ItemFailure::TimedOut(config.timeout.unwrap_or_default())),
    };
    // The process may have exited before the deadline or the stop of the run, and its exit be noticed only now.
    let had_exited = matches!(failure, Some(ItemFailure::Stopped | ItemFailure::TimedOut(_)))
        && group.wait_exit_timeout(Duration::ZERO, WaitMode::Blocking).await.unwrap_or(false);
    if failure.is_some() && !had_exited {
        let has_exited = !config.grace.is_zero()
            && {
                group.terminate();
                tokio::select! {
                    biased;
                    exited = time::timeout(config.grace, read_until_exit(&mut group, readers, TerminalStops::Ignored)) => matches!(exited, Ok(Ok(()))),
                    () = config.stop.wait_for(StopLevel::Kill) => false,
                }
            };
        if !has_exited {
            group.kill();
            let _ = time::timeout(KILL_TIMEOUT, read_until_exit(&mut group, readers, TerminalStops::Ignored)).await;
        }
    }
    let rest = read_rest(readers).await.map_err(ItemFailure::CaptureFailed);
    let failure = match failure {
        // The run had to end at once: SIGTERM or SIGKILL has ended the command.
        Some(ItemFailure::Stopped) if config.stop.level() == StopLevel::Kill => Some(ItemFailure::Killed),
        failure => failure,
    };
    match failure {
        Some(failure) if !had_exited => Err(failure),
        failure => {
            let status = group.finish().map_err(ItemFailure::WaitFailed)?;
            match failure {
                // The signal that has stopped the run may have reached the process as well.
                Some(failure @ (ItemFailure::Stopped | ItemFailure::Killed)) if !status.success() => Err(failure),
                // Lost output is reported rather than the exit status.
                _ => rest.map(|()| status),
            }
        }
    }
}

/// Reads the outputs until the process has exited.
///
/// # Errors
///
/// When the outputs cannot be read or stored, the exit cannot be watched, or the terminal has stopped the command and `stops` is
/// `Watched`.
async fn read_until_exit(
    group: &mut ProcessGroup,
    readers: &mut Readers,
    stops: TerminalStops,
) -> Result<(), ItemFailure> {
    let mut end = pin!(async {
        match stops {
            TerminalStops::Watched => group.wait_exit_or_stop().await.map_err(ItemFailure::WaitFailed)?,
            TerminalStops::Ignored => group.wait_exit().await.map(|()| None).map_err(ItemFailure::WaitFailed)?,
        }
        .map_or(Ok(()), |stop| Err(ItemFailure::StoppedByTerminal(stop)))
    });
    let reading = async { tokio::try_join!(readers.0.read_to_end(), readers.1.read_to_end()) };
    tokio::select! {
        biased;
        ended = &mut end => return ended,
        read = reading => read.map_err(ItemFailure::CaptureFailed)?,
    };
    // The outputs have ended, and the process may still run.
    end.await
}

/// Reads the rest of the outputs after the exit of the process, for up to `PIPE_LINGER`.
async fn read_rest(readers: &mut Readers) -> io::Result<()> {
    if readers.0.is_open() || readers.1.is_open() {
        let reading = async { tokio::try_join!(readers.0.read_to_end(), readers.1.read_to_end()) };
        if let Ok(read) = time::timeout(PIPE_LINGER, reading).await {
            read?;
        }
        // After the timeout there may be data of which the driver of tokio has not been notified yet.
        readers.0.drain().await?;
        readers.1.drain().await?;
    }
    readers.0.finish().await?;
    readers.1.finish().await
}

/// The outputs of a command before they are registered with tokio. `None` for an output that is inherited.
struct UnreadOutputs(Option<ChildStdout>, Option<ChildStderr>);

impl UnreadOutputs {
    fn new(group: &mut ProcessGroup) -> UnreadOutputs {
        let (stdout, stderr) = group.take_outputs();
        UnreadOutputs(stdout, stderr)
    }

    fn may_have_data(&self) -> bool {
        self.0.as_ref().is_some_and(|pipe| system::may_have_data(pipe, FORK_TO_EXEC))
            || self.1.as_ref().is_some_and(|pipe| system::may_have_data(pipe, FORK_TO_EXEC))
    }

    /// Registers the pipes with tokio.
    ///
    /// # Errors
    ///
    /// When the system cannot register another file.
    fn into_readers(self, stdout: Sink, stderr: Sink) -> io::Result<Readers> {
        let stdout_pipe = self.0.map(tokio::process::ChildStdout::from_std).transpose()?;
        let stderr_pipe = self.1.map(tokio::process::ChildStderr::from_std).transpose()?;
        Ok((OutputReader::new(stdout_pipe, stdout), OutputReader::new(stderr_pipe, stderr)))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
