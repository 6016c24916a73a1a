//! The `tracing` events that the library emits, all of target `cordial::process`.
//!
//! They are listed in a table on the page of the crate. The name of an event is also its field `event`, for subscribers that do not
//! show names.

use std::backtrace::Backtrace;
use std::io;
use std::panic::Location;
use std::time::Duration;

use cordial_sched::{StuckIoThreads, ThreadLimit};
use tracing::field::{DisplayValue, debug, display};
use tracing::{Level, event};

use crate::error::StartError;
use crate::exit::{self, Exit, Refusal, TimedOut};
use crate::pid::Pid;
use crate::timeout::Timeout;
use crate::unwind::{Caught, ignore_panic};

const TARGET: &str = "cordial::process";

/// The process that an event is about.
pub(crate) struct Subject<'a> {
    pub(crate) pid: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) spawned_at: &'static Location<'static>,
    /// The supervisor of the process and the incarnation number of the process, if the process is a child.
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

/// Returns whether any subscriber may take events of this level. Cheap: reads only the global
/// maximum level.
pub(crate) fn is_enabled(level: Level) -> bool {
    level <= tracing::level_filters::LevelFilter::current()
}

/// Returns whether a subscriber takes the event of a crash. With `Panics::EventOnly`, the panic hook then prints nothing.
pub(crate) fn has_crash_subscriber() -> bool {
    tracing::enabled!(target: TARGET, Level::ERROR)
}

/// Displays a backtrace without the line break at its end.
fn shown(backtrace: &Backtrace) -> DisplayValue<String> {
    trimmed(backtrace.to_string())
}

/// Displays the text of a backtrace without the line break at its end.
fn trimmed(mut backtrace: String) -> DisplayValue<String> {
    backtrace.truncate(backtrace.trim_end().len());
    display(backtrace)
}

pub(crate) fn started(
    pid: Pid,
    label: Option<&str>,
    spawned_at: &'static Location<'static>,
    caller: Option<Pid>,
    child_of: Option<(Pid, u32)>,
) {
    event!(name: "start", target: TARGET, Level::TRACE, event = "start", %pid, label, %spawned_at, caller = caller.map(display),
        supervisor = child_of.map(|(supervisor, _)| display(supervisor)),
        incarnation = child_of.map(|(_, incarnation)| incarnation), "process started");
}

/// A macro, because the level of an event is a constant.
macro_rules! emit_crash {
    ($level:expr, $subject:expr, $exit:expr, $age:expr, $callers:expr) => {{
        let Subject { pid, label, spawned_at, .. } = *$subject;
        let (supervisor, incarnation) = ($subject.supervisor(), $subject.incarnation());
        let (exit, callers, age_ms) = ($exit, $callers, ms($age));
        event!(name: "crash", target: TARGET, $level, event = "crash", %pid, label, supervisor, incarnation,
            %spawned_at, exit = %format_args!("{exit:#}"), age_ms, callers = ?callers,
            backtrace = exit.backtrace_text().map(trimmed), "process crashed");
    }};
}

/// Emitted for a process that was ended because its start took too long: `start_failed` reports that at level `ERROR`.
pub(crate) fn start_ended(subject: &Subject<'_>, exit: &Exit, age: Duration, callers: &[Pid]) {
    emit_crash!(Level::DEBUG, subject, exit, age, callers);
}

/// `age` is the time since the start of the process.
pub(crate) fn stopped(subject: &Subject<'_>, exit: &Exit, age: Duration, callers: &[Pid]) {
    let age_ms = ms(age);
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    match exit {
        Exit::Normal | Exit::Shutdown(_) => {
            event!(name: "stop", target: TARGET, Level::DEBUG, event = "stop", %pid, label, supervisor, incarnation,
                %spawned_at, exit = %format_args!("{exit:#}"), age_ms, "process ended");
        }
        Exit::Killed => {
            event!(name: "crash", target: TARGET, Level::WARN, event = "crash", %pid, label, supervisor, incarnation,
                %spawned_at, exit = %format_args!("{exit:#}"), age_ms, callers = ?callers, "process was killed");
        }
        _ => emit_crash!(Level::ERROR, subject, exit, age, callers),
    }
}

pub(crate) fn long_poll(subject: &Subject<'_>, lasted: Duration) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    let lasted_ms = ms(lasted);
    event!(name: "long_poll", target: TARGET, Level::WARN, event = "long_poll", %pid, label, supervisor, incarnation,
        %spawned_at, lasted_ms, "a poll computes or blocks for long; other tasks run on other threads; further long polls of tasks that were spawned here are reported when they end, from 100 ms on");
}

/// Emitted when a poll of 100 ms or more has ended. Since the last such event of the same spawn location, `left_out` polls were not
/// reported.
pub(crate) fn long_poll_end(subject: &Subject<'_>, lasted: Duration, left_out: u64) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    let lasted_ms = ms(lasted);
    event!(name: "long_poll_end", target: TARGET, Level::WARN, event = "long_poll_end", %pid, label, supervisor, incarnation,
        %spawned_at, lasted_ms, left_out, "a poll has computed or blocked for long");
}

/// A mailbox that is full while a message waits for room.
pub(crate) struct MailboxFull<'a> {
    pub(crate) pid: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) capacity: usize,
    pub(crate) oldest: Option<Duration>,
    pub(crate) in_hand: Option<&'a str>,
    pub(crate) sender: Option<Pid>,
    pub(crate) message: &'a str,
}

pub(crate) fn mailbox_full(full: &MailboxFull<'_>) {
    let MailboxFull { pid, label, spawned_at, capacity, oldest, in_hand, sender, message } = *full;
    let oldest_ms = oldest.map(ms);
    let pid = (pid != Pid::NO_PROCESS).then(|| display(pid));
    event!(name: "mailbox_full", target: TARGET, Level::WARN, event = "mailbox_full", pid, label, %spawned_at, capacity, oldest_ms,
        in_hand, sender = sender.map(display), message_type = message,
        "the mailbox of a server is full, and senders wait; the server is slower than its senders, stuck in a message, or not started yet");
}

/// Emitted when a server has stopped, or has crashed for the last time, while messages that were cast to it waited.
pub(crate) fn casts_dropped(pid: Pid, label: Option<&str>, spawned_at: &'static Location<'static>, dropped: usize) {
    if pid == Pid::NO_PROCESS {
        event!(name: "casts_dropped", target: TARGET, Level::WARN, event = "casts_dropped", label, %spawned_at, dropped,
            "a server was never started, and its specification was dropped, with the messages that were cast to it");
        return;
    }
    event!(name: "casts_dropped", target: TARGET, Level::WARN, event = "casts_dropped", %pid, label, %spawned_at, dropped,
        "a server has ended before it handled all messages that were cast to it; await a call before the stop, which is answered after them");
}

/// Emitted when a call has exceeded its limit and the called server waits, directly or through other servers, for an answer of the
/// caller. `cycle` names these servers.
pub(crate) fn call_cycle(caller: Pid, cycle: &str) {
    event!(name: "call_cycle", target: TARGET, Level::WARN, event = "call_cycle", pid = %caller, cycle,
        "a server waits for itself: each of these servers was waiting for the answer of the next one until a limit was over");
}

pub(crate) fn threads_exhausted(max_threads: usize) {
    event!(name: "threads_exhausted", target: TARGET, Level::WARN, event = "threads_exhausted", max_threads,
        "every thread is in a long poll while tasks wait, and `max_threads` is reached; raise it, or await more often");
}

pub(crate) fn io_threads_stuck(stuck: &StuckIoThreads) {
    let StuckIoThreads { n_stuck, n_threads, lasted, n_left_out } = *stuck;
    let lasted_ms = ms(lasted);
    event!(name: "io_threads_stuck", target: TARGET, Level::WARN, event = "io_threads_stuck", stuck = n_stuck,
        io_threads = n_threads, lasted_ms, left_out = n_left_out,
        "code in `tokio::spawn` computes or blocks, so that sockets and tokio's timers may be late; use `Task::spawn` or `spawn_blocking` for it");
}

pub(crate) fn threads_refused(error: &io::Error, limit: Option<&ThreadLimit>) {
    event!(name: "threads_refused", target: TARGET, Level::WARN, event = "threads_refused", %error,
        limit = limit.map(display),
        "tasks wait behind long polls, and the operating system refuses another thread; not reported again before it grants one");
}

pub(crate) fn abandoned(subject: &Subject<'_>) {
    let Subject { pid, label, spawned_at, .. } = *subject;
    let (supervisor, incarnation) = (subject.supervisor(), subject.incarnation());
    event!(name: "abandoned", target: TARGET, Level::WARN, event = "abandoned", %pid, label, supervisor, incarnation,
        %spawned_at, "process was killed but is stuck in a poll; no stop waits for it any more");
}

/// Emitted when an attempt of an item of a stream has exceeded its timeout. Attempts are counted from 1.
pub(crate) fn item_timeout(spawned_at: &'static Location<'static>, index: usize, attempt: usize, timed_out: &TimedOut) {
    let limit_ms = ms(timed_out.limit());
    event!(name: "item_timeout", target: TARGET, Level::WARN, event = "item_timeout", %spawned_at, index, attempt,
        pid = %timed_out.pid(), limit_ms, "an item of a stream has exceeded its timeout");
}

/// Emitted when an attempt of an item of a stream has failed, and the item is attempted again.
pub(crate) fn item_retry(
    spawned_at: &'static Location<'static>,
    index: usize,
    attempt: usize,
    pid: Option<Pid>,
    exit: &Exit,
    after: Duration,
) {
    let after_ms = ms(after);
    event!(name: "item_retry", target: TARGET, Level::WARN, event = "item_retry", %spawned_at, index, attempt,
        pid = pid.map(display), exit = %format_args!("{exit:#}"), after_ms, "an item of a stream has failed and is attempted again");
}

/// Emitted when an item of a stream has failed, after its last attempt.
pub(crate) fn item_failed(
    spawned_at: &'static Location<'static>,
    index: usize,
    attempt: usize,
    pid: Option<Pid>,
    exit: &Exit,
) {
    event!(name: "item_failed", target: TARGET, Level::DEBUG, event = "item_failed", %spawned_at, index, attempt,
        pid = pid.map(display), exit = %format_args!("{exit:#}"), "an item of a stream has failed");
}

pub(crate) fn lost_panic(caught: &Caught) {
    let Caught { message, location, .. } = caught;
    event!(name: "lost_panic", target: TARGET, Level::ERROR, event = "lost_panic",
        exit = %format_args!("panicked at {location}: {message}"), backtrace = caught.backtrace().map(shown), "a panic that ends no process: in the destructor of a value that nothing took, or after another panic of the same process");
}

/// Emits that a process was refused. Ignores a subscriber that panics: it may need thread-locals that an ending thread has lost.
pub(crate) fn refused(spawned_at: &'static Location<'static>, supervisor: Option<Pid>, refusal: &Refusal) {
    ignore_panic(|| emit_refused(spawned_at, supervisor, refusal));
}

fn emit_refused(spawned_at: &'static Location<'static>, supervisor: Option<Pid>, refusal: &Refusal) {
    event!(name: "refused", target: TARGET, Level::ERROR, event = "refused", %spawned_at,
        supervisor = supervisor.map(display), %refusal, "process was not started");
}

/// The child that an event of its supervisor is about.
pub(crate) struct Child<'a> {
    pub(crate) supervisor: Pid,
    pub(crate) label: Option<&'a str>,
    pub(crate) child: &'a str,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) incarnation: u32,
}

/// Emitted when a restart is scheduled, before its delay. `incarnation` is the number of the next incarnation.
pub(crate) fn restart(child: &Child<'_>, reason: &Exit, after: Duration) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    let after_ms = ms(after);
    event!(name: "restart", target: TARGET, Level::WARN, event = "restart", %supervisor, label, child, incarnation,
        %spawned_at, reason = %format_args!("{reason:#}"), after_ms, "child is restarted");
}

/// Emitted when a restart waits for an abandoned process, `pid`. `incarnation` is the number of the next incarnation.
pub(crate) fn restart_waits(child: &Child<'_>, pid: Pid) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    event!(name: "restart_waits", target: TARGET, Level::WARN, event = "restart_waits", %supervisor, label, child,
        incarnation, %spawned_at, %pid, "a restart waits for a process that is stuck in a poll");
}

/// Emitted when a child has been starting for long, and has not finished. `incarnation` is the number of the incarnation that is starting.
pub(crate) fn slow_start(child: &Child<'_>, pid: Pid, lasted: Duration, timeout: Timeout) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    let timeout_ms = match timeout {
        Timeout::After(timeout) => Some(ms(timeout)),
        Timeout::Infinity => None,
    };
    let lasted_ms = ms(lasted);
    event!(name: "slow_start", target: TARGET, Level::WARN, event = "slow_start", %supervisor, label, child, incarnation,
        %spawned_at, %pid, lasted_ms, timeout_ms, "a child has not finished starting; its `init` awaits or computes");
}

/// A macro, because the level of an event is a constant.
macro_rules! emit_start_failed {
    ($level:expr, $child:expr, $reason:expr, $exit:expr) => {{
        let Child { supervisor, label, child, spawned_at, incarnation } = *$child;
        let (reason, backtrace) = ($reason, $exit.and_then(Exit::backtrace_text).map(trimmed));
        event!(name: "start_failed", target: TARGET, $level, event = "start_failed", %supervisor, label, child,
            incarnation, %spawned_at, reason = %format_args!("{reason:#}"), backtrace, "child failed to start");
    }};
}

/// Emitted when a child has failed to start. `incarnation` is the number of the incarnation that has not started.
///
/// The level is `DEBUG` if the process of the child has crashed and was not killed: then the `crash` event has already reported the
/// failure at level `ERROR`.
pub(crate) fn start_failed(child: &Child<'_>, reason: &StartError) {
    let exit = match reason {
        StartError::Child { exit, .. } => Some(exit),
        _ => None,
    };
    let has_crashed = exit.is_some_and(|exit| match exit {
        // The function that builds a nested supervisor has panicked: there was no process, so there is no `crash` event.
        Exit::Panic(report) if report.pid() == Pid::NO_PROCESS => false,
        exit => exit.is_abnormal() && *exit != Exit::Killed,
    });
    if has_crashed {
        emit_start_failed!(Level::DEBUG, child, reason, exit);
    } else {
        emit_start_failed!(Level::ERROR, child, reason, exit);
    }
}

/// Emitted when a supervisor gives up. `incarnation` is the number of the incarnation that has ended or has not started. The supervisor
/// has made as many `restarts` as the limit allows, within the last `window`, or in a row if there is no `window`.
pub(crate) fn give_up(child: &Child<'_>, reason: &Exit, restarts: usize, window: Option<Duration>) {
    let Child { supervisor, label, child, spawned_at, incarnation } = *child;
    let window = window.map(debug);
    event!(name: "give_up", target: TARGET, Level::ERROR, event = "give_up", %supervisor, label, child, incarnation,
        %spawned_at, reason = %format_args!("{reason:#}"), restarts, window,
        "restart limit exceeded; the supervisor stops its children and ends, and its owner is notified");
}

/// Emitted for each process that a supervisor had to kill or to abandon; `how` says which.
pub(crate) fn forced(supervisor: Pid, pid: Pid, label: Option<&str>, spawned_at: &exit::Location, how: &'static str) {
    event!(name: "forced", target: TARGET, Level::WARN, event = "forced", %pid, label, %supervisor, %spawned_at, how,
        "child did not end when it was asked to");
}

/// Returns a duration in milliseconds, as events have it.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
