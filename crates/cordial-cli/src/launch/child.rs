//! Runs one command to its end, with its outputs taken and a limit on its time.
//!
//! ```text
//! start ──► running ───────────────────────► process ended ──► a moment for its pipes ──► what is left of its group is killed ──► done
//!              │ limit passed, run stopped,       ▲
//!              │ or the output cannot be kept     │
//!              └──► SIGTERM ── grace ──► SIGKILL ─┘
//! ```
//!
//! The command is over when its process has ended. A background child may hold the pipes open for hours; it ends with its item. But a
//! helper of the command may need a moment more (`bash -c 'exec > >(tee log); …'`), and this is what the moment is for.
//!
//! Dropping the future at any point kills the process and its group.

use std::io;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::time::{Duration, SystemTime};

use tokio::time::{self, Instant};

use super::output_reader::{Pipe, Sink};
use super::launcher::{Ended, Outputs, Settings};
use crate::output::capture::Capture;
use crate::item_failure::Failure;
use crate::item::Item;
use crate::output::Which;
use crate::stop::token::Level;
use crate::system::{self, Group, Wait};
use crate::template::CommandLine;

/// How long the outputs may stay open after the process has ended.
const MOMENT: Duration = Duration::from_millis(100);

/// How long to wait for a process that was killed. One in an uninterruptible call to the system may stay for ever; its item does not.
const DYING: Duration = Duration::from_secs(1);

/// Many commands end sooner than this and write little. To read their outputs only at the end saves more than half of the calls to the
/// system that are made for them.
const SHORT: Duration = Duration::from_millis(4);

/// How long a command of another thread may take to be what it is to be: until then it has all files that we have.
const STARTS: Duration = Duration::from_millis(1);

type Outs = (Pipe<tokio::process::ChildStdout>, Pipe<tokio::process::ChildStderr>);

/// Runs a command, until `unwanted` resolves: then it is killed.
pub(super) async fn run(
    settings: &Settings,
    item: &Item,
    attempt: u32,
    slot: usize,
    wait: Wait,
    unwanted: impl Future<Output = ()>,
) -> Ended {
    let CommandLine { words, environment: mut variables } = match settings.template.fill(item, slot) {
        Ok(line) => line,
        Err(failure) => return Ended::without(failure, slot, &settings.room),
    };
    variables.push(("CORDIAL_INDEX", item.index.to_string().into()));
    variables.push(("CORDIAL_SLOT", slot.to_string().into()));
    variables.push(("CORDIAL_ATTEMPT", attempt.to_string().into()));
    let started = SystemTime::now();
    let clock = Instant::now();
    let mut group = match Group::start(&settings.starter, &words, &variables, &settings.groups).await {
        Ok(group) => group,
        Err(error) => {
            let advice = system::advice(&words[0], &error);
            let failure = Failure::NotStarted { advice, error };
            return Ended { words, ..Ended::without(failure, slot, &settings.room) };
        }
    };
    let outputs = Waiting::new(&mut group);
    let sink = |which| Sink::of(which, &settings.outputs, item, &settings.room);
    let mut sinks = Some((sink(Which::Stdout), sink(Which::Stderr)));

    let result: io::Result<Result<ExitStatus, Failure>> = async {
        // Live lines are wanted at once.
        let may_wait =
            !matches!(settings.outputs, Outputs::Live(_)) && settings.timeout.is_none_or(|limit| limit > SHORT);
        if may_wait && group.ended_within(SHORT, wait).await? && !outputs.may_hold() {
            return Ok(group.finish().map_err(Failure::Unwatched));
        }
        let (out, err) = sinks.take().expect("nobody took them before");
        let mut outs = outputs.read(out, err)?;
        let deadline = settings.timeout.and_then(|limit| clock.checked_add(limit));
        let outcome = attend(settings, group, &mut outs, deadline, unwanted).await;
        sinks = Some((outs.0.into_sink(), outs.1.into_sink()));
        Ok(outcome)
    }
    .await;
    let outcome = match result {
        Ok(Ok(status)) if status.success() => Ok(()),
        // Killed together with all others.
        Ok(Ok(status)) if settings.stop.level() == Level::Kill && system::was_killed(status) => Err(Failure::Killed),
        Ok(Ok(status)) => Err(Failure::Ended(status)),
        Ok(Err(failure)) => Err(failure),
        Err(error) => Err(Failure::Uncaptured(error)),
    };
    let capture = |sink: Option<Sink>| match sink {
        Some(Sink::Capture(capture)) => capture,
        _ => Capture::new(&settings.room),
    };
    let (stdout, stderr) = sinks.map_or((None, None), |(out, err)| (Some(out), Some(err)));
    Ended {
        outcome,
        stdout: capture(stdout),
        stderr: capture(stderr),
        started: Some(started),
        took: clock.elapsed(),
        slot,
        words,
    }
}

/// Waits for the end of a group, and brings it about where need be.
async fn attend(
    settings: &Settings,
    mut group: Group,
    outs: &mut Outs,
    deadline: Option<Instant>,
    unwanted: impl Future<Output = ()>,
) -> Result<ExitStatus, Failure> {
    let limit = async {
        match deadline {
            Some(deadline) => time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let failure = tokio::select! {
        biased;
        ended = watch(&mut group, outs) => ended.err(),
        () = unwanted => {
            group.kill();
            let _ = time::timeout(DYING, group.ended()).await;
            return Err(Failure::Stopped);
        }
        () = settings.stop.reached(Level::Now) => Some(Failure::Stopped),
        () = limit => Some(Failure::TimedOut(settings.timeout.unwrap_or_default())),
    };
    if failure.is_some() {
        let is_over = !settings.grace.is_zero() && {
            group.terminate();
            tokio::select! {
                biased;
                ended = time::timeout(settings.grace, watch(&mut group, outs)) => matches!(ended, Ok(Ok(()))),
                () = settings.stop.reached(Level::Kill) => false,
            }
        };
        if !is_over {
            group.kill();
            let _ = time::timeout(DYING, watch(&mut group, outs)).await;
        }
    }
    let late = take_rest(outs).await.map_err(Failure::Uncaptured);
    match failure {
        // Whatever has ended it in the end.
        Some(Failure::Stopped) if settings.stop.level() == Level::Kill => Err(Failure::Killed),
        Some(failure) => Err(failure),
        None => {
            let status = group.finish().map_err(Failure::Unwatched)?;
            // What it wrote is gone, and that is worse than what it answered.
            late.map(|()| status)
        }
    }
}

/// Reads the outputs until the process has ended.
async fn watch(group: &mut Group, outs: &mut Outs) -> Result<(), Failure> {
    let reading = async { tokio::try_join!(outs.0.fill(), outs.1.fill()) };
    tokio::select! {
        biased;
        ended = group.ended() => return ended.map_err(Failure::Unwatched),
        read = reading => read.map_err(Failure::Uncaptured)?,
    };
    // It closed its outputs and works on.
    group.ended().await.map_err(Failure::Unwatched)
}

/// Takes what the outputs still hold after the end of the process.
async fn take_rest(outs: &mut Outs) -> io::Result<()> {
    if outs.0.is_open() || outs.1.is_open() {
        let reading = async { tokio::try_join!(outs.0.fill(), outs.1.fill()) };
        if let Ok(read) = time::timeout(MOMENT, reading).await {
            read?;
        }
        // Where the moment was too short, or the machine too busy to tell us of what is there.
        outs.0.drain().await?;
        outs.1.drain().await?;
    }
    outs.0.finish().await;
    outs.1.finish().await;
    Ok(())
}

/// The outputs of a command, as long as nobody reads them.
struct Waiting(Option<ChildStdout>, Option<ChildStderr>);

impl Waiting {
    fn new(group: &mut Group) -> Waiting {
        let (stdout, stderr) = group.take_outputs();
        Waiting(stdout, stderr)
    }

    fn may_hold(&self) -> bool {
        self.0.as_ref().is_some_and(|pipe| system::may_hold(pipe, STARTS))
            || self.1.as_ref().is_some_and(|pipe| system::may_hold(pipe, STARTS))
    }

    /// # Errors
    ///
    /// When there are too many open files.
    fn read(self, out: Sink, err: Sink) -> io::Result<Outs> {
        let stdout = self.0.map(tokio::process::ChildStdout::from_std).transpose()?;
        let stderr = self.1.map(tokio::process::ChildStderr::from_std).transpose()?;
        Ok((Pipe::new(stdout, out), Pipe::new(stderr, err)))
    }
}
