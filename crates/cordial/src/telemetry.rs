//! What the library tells of itself: `tracing` events of target `cordial::process`.
//!
//! The table of them stands on the page of the crate.
//!
//! The name of the event is also its field `event`, for subscribers that show no names.

use std::panic::Location;
use std::time::Duration;

use tracing::{Level, event};

use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::unwind::Caught;

const TARGET: &str = "cordial::process";

/// Who an event is about.
pub(crate) struct Subject<'a> {
    pub(crate) pid: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) spawned_at: &'static Location<'static>,
}

/// Whether any subscriber takes events of this level. Asks nobody.
pub(crate) fn may_be_told(level: Level) -> bool {
    level <= tracing::level_filters::LevelFilter::current()
}

/// Whether a crash reaches a subscriber, so that the panic hook may keep quiet.
pub(crate) fn tells_crashes() -> bool {
    tracing::enabled!(target: TARGET, Level::ERROR)
}

pub(crate) fn started(pid: Pid, spawned_at: &'static Location<'static>, caller: Option<Pid>) {
    event!(name: "start", target: TARGET, Level::TRACE, event = "start", %pid, %spawned_at,
        caller = caller.map(tracing::field::display), "process started");
}

pub(crate) fn stopped(subject: &Subject<'_>, exit: &Exit, callers: &[Pid]) {
    let Subject { pid, label, spawned_at } = *subject;
    match exit {
        Exit::Normal | Exit::Shutdown(_) => {
            event!(name: "stop", target: TARGET, Level::DEBUG, event = "stop", %pid, label, %spawned_at, %exit,
                "process ended");
        }
        Exit::Killed => {
            event!(name: "crash", target: TARGET, Level::WARN, event = "crash", %pid, label, %spawned_at, %exit,
                callers = ?callers, "process was killed");
        }
        _ => {
            event!(name: "crash", target: TARGET, Level::ERROR, event = "crash", %pid, label, %spawned_at, %exit,
                callers = ?callers, "process crashed");
        }
    }
}

pub(crate) fn long_poll(subject: &Subject<'_>, lasted: Duration) {
    let Subject { pid, label, spawned_at } = *subject;
    let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
    event!(name: "long_poll", target: TARGET, Level::WARN, event = "long_poll", %pid, label, %spawned_at, lasted_ms,
        "a poll computes or blocks for long; other processes spawned here are not reported again");
}

pub(crate) fn threads_exhausted(max_threads: usize) {
    event!(name: "threads_exhausted", target: TARGET, Level::WARN, event = "threads_exhausted", max_threads,
        "polls compute or block, work waits, and there are as many threads as allowed; raise `max_threads` or await more");
}

pub(crate) fn abandoned(subject: &Subject<'_>) {
    let Subject { pid, label, spawned_at } = *subject;
    event!(name: "abandoned", target: TARGET, Level::WARN, event = "abandoned", %pid, label, %spawned_at,
        "process was told to end and is stuck in a poll; nobody waits for it any more");
}

pub(crate) fn lost_panic(caught: &Caught) {
    let Caught { message, location, .. } = caught;
    event!(name: "lost_panic", target: TARGET, Level::ERROR, event = "lost_panic",
        exit = %format_args!("panicked at {location}: {message}"), "a value that nobody took panicked when it was dropped");
}

pub(crate) fn refused(spawned_at: &'static Location<'static>, refusal: &Refusal) {
    event!(name: "refused", target: TARGET, Level::ERROR, event = "refused", %spawned_at, %refusal,
        "process was not started");
}
