//! What the library tells of itself: `tracing` events of target `cordial::process`.
//!
//! The table of them stands on the page of the crate.
//!
//! The name of the event is also its field `event`, for subscribers that show no names.

use std::panic::Location;
use std::time::Duration;

use tracing::field::{DisplayValue, display};
use tracing::{Level, event};

use crate::error::StartError;
use crate::exit::{Exit, Location as Place, Refusal};
use crate::pid::Pid;
use crate::unwind::Caught;

const TARGET: &str = "cordial::process";

/// Who an event is about.
pub(crate) struct Subject<'a> {
    pub(crate) pid: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its parent, and which incarnation of a child it is.
    pub(crate) child_of: Option<(Pid, u32)>,
}

impl Subject<'_> {
    fn supervisor(&self) -> Option<DisplayValue<Pid>> {
        self.child_of.map(|(supervisor, _)| display(supervisor))
    }

    fn incarnation(&self) -> Option<u32> {
        self.child_of.map(|(_, incarnation)| incarnation)
    }
}

/// Whether any subscriber takes events of this level. Asks nobody.
pub(crate) fn is_enabled(level: Level) -> bool {
    level <= tracing::level_filters::LevelFilter::current()
}

/// Whether a crash reaches a subscriber, so that the panic hook may keep quiet.
pub(crate) fn has_crash_subscriber() -> bool {
    tracing::enabled!(target: TARGET, Level::ERROR)
}

pub(crate) fn started(
    pid: Pid,
    spawned_at: &'static Location<'static>,
    caller: Option<Pid>,
    child_of: Option<(Pid, u32)>,
) {
    event!(name: "start", target: TARGET, Level::TRACE, event = "start", %pid, %spawned_at, caller = caller.map(display),
        supervisor = child_of.map(|(supervisor, _)| display(supervisor)),
        incarnation = child_of.map(|(_, incarnation)| incarnation), "process started");
}

pub(crate) fn stopped(subject: &Subject<'_>, exit: &Exit, callers: &[Pid]) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    match exit {
        Exit::Normal | Exit::Shutdown(_) => {
            event!(name: "stop", target: TARGET, Level::DEBUG, event = "stop", %pid, label, supervisor, incarnation,
                %spawned_at, %exit, "process ended");
        }
        Exit::Killed => {
            event!(name: "crash", target: TARGET, Level::WARN, event = "crash", %pid, label, supervisor, incarnation,
                %spawned_at, %exit, callers = ?callers, "process was killed");
        }
        _ => {
            event!(name: "crash", target: TARGET, Level::ERROR, event = "crash", %pid, label, supervisor, incarnation,
                %spawned_at, %exit, callers = ?callers, "process crashed");
        }
    }
}

pub(crate) fn long_poll(subject: &Subject<'_>, lasted: Duration) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
    event!(name: "long_poll", target: TARGET, Level::WARN, event = "long_poll", %pid, label, supervisor, incarnation,
        %spawned_at, lasted_ms, "a poll computes or blocks for long, and lasts; the others go on, and its like from the same place are not told");
}

pub(crate) fn threads_exhausted(max_threads: usize) {
    event!(name: "threads_exhausted", target: TARGET, Level::WARN, event = "threads_exhausted", max_threads,
        "polls compute or block, work waits, and there are as many threads as allowed; raise `max_threads` or await more");
}

pub(crate) fn abandoned(subject: &Subject<'_>) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    event!(name: "abandoned", target: TARGET, Level::WARN, event = "abandoned", %pid, label, supervisor, incarnation,
        %spawned_at, "process was told to end and is stuck in a poll; nobody waits for it any more");
}

pub(crate) fn lost_panic(caught: &Caught) {
    let Caught { message, location, .. } = caught;
    event!(name: "lost_panic", target: TARGET, Level::ERROR, event = "lost_panic",
        exit = %format_args!("panicked at {location}: {message}"), "a value that nobody took panicked when it was dropped");
}

pub(crate) fn refused(spawned_at: &'static Location<'static>, supervisor: Option<Pid>, refusal: &Refusal) {
    event!(name: "refused", target: TARGET, Level::ERROR, event = "refused", %spawned_at,
        supervisor = supervisor.map(display), %refusal, "process was not started");
}

/// Who an event about a supervisor's child is about.
pub(crate) struct Child<'a> {
    pub(crate) supervisor: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) child: &'a str,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) incarnation: u32,
}

/// The incarnation is the one that comes next.
pub(crate) fn restart(child: &Child<'_>, reason: &Exit, after: Duration) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    event!(name: "restart", target: TARGET, Level::WARN, event = "restart", %supervisor, label, child, incarnation,
        %spawned_at, %reason, after_ms, "child is started again");
}

/// The incarnation is the one that comes next; `pid` is that of an abandoned process that is still there.
pub(crate) fn restart_waits(child: &Child<'_>, pid: Pid) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    event!(name: "restart_waits", target: TARGET, Level::WARN, event = "restart_waits", %supervisor, label, child,
        incarnation, %spawned_at, %pid, "a restart waits for a process that is stuck in a poll");
}

/// The incarnation is the one that has not started.
pub(crate) fn start_failed(child: &Child<'_>, reason: &StartError) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    event!(name: "start_failed", target: TARGET, Level::ERROR, event = "start_failed", %supervisor, label, child,
        incarnation, %spawned_at, %reason, "child failed to start");
}

/// The incarnation is the one that has ended, or has not started. `restarts` were made within the `window` before that, which
/// is as many as are allowed.
pub(crate) fn give_up(child: &Child<'_>, reason: &Exit, restarts: usize, window: Duration) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    event!(name: "give_up", target: TARGET, Level::ERROR, event = "give_up", %supervisor, label, child, incarnation,
        %spawned_at, %reason, restarts, window = ?window,
        "too many restarts; the supervisor stops its children and ends, and whoever owns it is told");
}

/// What a supervisor had to kill or to abandon when it stopped. `how` says which.
pub(crate) fn forced(supervisor: Pid, pid: Pid, label: Option<&str>, spawned_at: &Place, how: &'static str) {
    event!(name: "forced", target: TARGET, Level::WARN, event = "forced", %pid, label, %supervisor, %spawned_at, how,
        "child did not end when it was asked to");
}

#[cfg(test)]
mod tests;
