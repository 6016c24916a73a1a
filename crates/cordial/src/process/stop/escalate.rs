//! The steps that end a process: a request to shut down, a kill, and giving up.

use std::time::Duration;

use cordial_sched::Timer;
use futures_util::future::{Either, select};

use super::describe::{describe, describe_one};
use super::polls::{ABANDON_AFTER, Polls};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::discard::discard;
use crate::process::entry::{Entry, EventSubject};
use crate::process::monitors::{Monitor, monitor_on};
use crate::process::report::Stopped;
use crate::process::runtime::RuntimeHandle;
use crate::process::shutdown::Shutdown;
use crate::process::signal::Signal;
use crate::{telemetry, unwind};

/// A step of a stop. The steps are in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Requests a shutdown. `None` is a grace time without limit.
    Request { grace: Option<Duration> },
    /// Kills the process.
    Kill,
    /// Marks the process as abandoned: its poll does not return, and no stop waits for it any more.
    Abandon,
}

impl Step {
    /// Returns the step with which a stop begins.
    pub(crate) fn first(shutdown: Shutdown) -> Step {
        match shutdown {
            Shutdown::After(grace) => Step::Request { grace: Some(grace) },
            Shutdown::Infinity => Step::Request { grace: None },
            Shutdown::BrutalKill => Step::Kill,
        }
    }

    /// Returns the step that follows this one if the process does not end, and after which time. `None`: no step follows,
    /// because the grace time has no limit, or because the process is abandoned.
    pub(crate) fn next(self) -> Option<(Duration, Step)> {
        match self {
            Step::Request { grace } => grace.map(|grace| (grace, Step::Kill)),
            Step::Kill => Some((ABANDON_AFTER, Step::Abandon)),
            Step::Abandon => None,
        }
    }

    /// Takes the step. Does nothing if the process has ended. `from` is the process that makes the
    /// request, if a process does.
    pub(crate) fn take(self, runtime: &RuntimeHandle, pid: Pid, from: Option<Pid>) {
        match self.signal(from) {
            Some(signal) => runtime.signal(pid, signal),
            None => abandon(runtime, pid),
        }
    }

    /// Returns the signal that the process gets; `None` if it is abandoned.
    pub(super) fn signal(self, from: Option<Pid>) -> Option<Signal> {
        match self {
            Step::Request { .. } => Some(Signal::Sent { from, reason: Exit::Shutdown(None) }),
            Step::Kill => Some(Signal::Sent { from: None, reason: Exit::Killed }),
            Step::Abandon => None,
        }
    }
}

/// The outcome of the stop of one process.
#[derive(Debug)]
pub(crate) enum StopOutcome {
    /// The process ended as requested, or had ended before.
    AsRequested,
    /// The process had to be killed after its grace time.
    Killed(Stopped),
    /// The process has not ended: its poll does not return.
    Abandoned(Stopped),
}

/// The stop of one process: says which step is due, and how long to wait after that step for the end of the process.
pub(crate) struct Escalation<'a> {
    runtime: &'a RuntimeHandle,
    pid: Pid,
    step: Step,
    /// The polls at the beginning of the present wait.
    polls: Polls,
}

impl<'a> Escalation<'a> {
    /// Begins a stop. Its first step is due.
    pub(crate) fn begin(runtime: &'a RuntimeHandle, pid: Pid, shutdown: Shutdown) -> (Escalation<'a>, Step) {
        let step = Step::first(shutdown);
        (Escalation { runtime, pid, step, polls: Polls::now(runtime) }, step)
    }

    /// Returns how long to wait for the end of the process now; `None` is no limit.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.step.next().map(|(after, _)| after)
    }

    /// Returns the step that is due, because the process has not ended within the limit. After a kill, `Abandon` is due if one poll of
    /// the process has lasted for [`ABANDON_AFTER`]. Otherwise no step is due, and the caller waits for [`limit`](Escalation::limit) once more:
    /// a killed process that is in no poll ends as soon as a thread takes it, or, if it is a guardian, when it has stopped the processes
    /// that it owns.
    #[must_use]
    pub(crate) fn limit_passed(&mut self) -> Option<Step> {
        let before = std::mem::replace(&mut self.polls, Polls::now(self.runtime)).of(self.pid);
        if self.step == Step::Kill && !self.polls.is_stuck(self.pid, before) {
            return None;
        }
        self.step = self.step.next().expect("a wait without limit ends with the process").1;
        Some(self.step)
    }
}

/// Stops one process and waits for its end, as [`Escalation`] says.
pub(crate) async fn stop_one(runtime: &RuntimeHandle, pid: Pid, shutdown: Shutdown) -> StopOutcome {
    let mut end = monitor_on(runtime, pid);
    let (mut escalation, first) = Escalation::begin(runtime, pid, shutdown);
    let (mut due, mut killed) = (Some(first), None);
    loop {
        match due {
            Some(step @ Step::Request { .. }) => step.take(runtime, pid, None),
            Some(Step::Kill) => killed = kill_one(runtime, pid, &escalation.polls),
            Some(Step::Abandon) => {
                // If there is nothing to describe, the process has left the table a moment ago, and its end is about to be notified.
                if let Some(stopped) = describe_one(runtime, pid, &escalation.polls) {
                    abandon(runtime, pid);
                    return StopOutcome::Abandoned(stopped);
                }
            }
            None => {}
        }
        if ends_within(&mut end, escalation.limit().and_then(|limit| runtime.executor().timer(limit))).await {
            return ended(killed, shutdown);
        }
        due = escalation.limit_passed();
    }
}

/// Returns the outcome of `stop_one` for a process that has ended. `killed` is `None` if it was not killed.
fn ended(killed: Option<Killed>, shutdown: Shutdown) -> StopOutcome {
    match killed.and_then(|killed| killed.stopped) {
        Some(stopped) if shutdown != Shutdown::BrutalKill => StopOutcome::Killed(stopped),
        _ => StopOutcome::AsRequested,
    }
}

/// A process that was killed, as it was just before the kill.
#[derive(Debug)]
pub(crate) struct Killed {
    /// What a report says about the process; `None` if it was exiting already, so that the kill did
    /// not end it.
    pub(crate) stopped: Option<Stopped>,
}

/// Kills a process. Returns `None` if it had ended before. `polls` are the current polls of its runtime.
pub(crate) fn kill_one(runtime: &RuntimeHandle, pid: Pid, polls: &Polls) -> Option<Killed> {
    let killed = runtime
        .with(pid, |entry| Killed { stopped: (!entry.shutdown.is_exiting()).then(|| describe(pid, entry, polls)) })?;
    runtime.kill(pid);
    Some(killed)
}

/// Marks a process as abandoned and emits an event, if it is alive and was not abandoned before.
pub(crate) fn abandon(runtime: &RuntimeHandle, pid: Pid) {
    if let Some(subject) = mark_abandoned(runtime, pid) {
        emit_abandoned(pid, &subject);
    }
}

/// Like [`abandon`], but emits the event on another thread: a subscriber that blocks must not delay the timer thread.
pub(crate) fn abandon_on_timer_thread(runtime: &RuntimeHandle, pid: Pid) {
    if let Some(subject) = mark_abandoned(runtime, pid) {
        runtime.executor().call_later(move || emit_abandoned(pid, &subject));
    }
}

/// Marks a process as abandoned. Returns what the event says about it, if it is alive and was not abandoned before.
fn mark_abandoned(runtime: &RuntimeHandle, pid: Pid) -> Option<EventSubject> {
    let mark = |entry: &mut Entry| {
        let was_abandoned = std::mem::replace(&mut entry.rare().is_abandoned, true);
        (!was_abandoned).then(|| EventSubject::of(entry))
    };
    runtime.with(pid, mark).flatten()
}

fn emit_abandoned(pid: Pid, subject: &EventSubject) {
    unwind::ignore_panic(|| telemetry::abandoned(&subject.subject(pid)));
}

/// Waits until the monitored process has ended. Returns `false` if `limit` passes before; `None` is no limit.
async fn ends_within(end: &mut Monitor, limit: Option<Timer>) -> bool {
    match limit {
        None => {
            discard(end.await);
            true
        }
        Some(limit) => match select(end, limit).await {
            Either::Left((exit, _)) => {
                discard(exit);
                true
            }
            Either::Right(_) => false,
        },
    }
}

#[cfg(test)]
mod tests;
