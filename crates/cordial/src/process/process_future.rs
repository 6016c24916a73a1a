//! The future that the scheduler polls: the user's future, wrapped in what makes it a process.
//!
//! ```text
//!  poll ─► exiting? ──yes──────────────────────────────────┐
//!            │ no                                          ▼
//!            └► poll of the user's future          drop that future ─► remove the process from the table
//!                   │ Ready, panic, checkpoint ───────────▲                            │
//!                   └ Pending: return Pending                                          ▼
//!                                    reply to the recipient ◄─ notify links and monitors
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial_sched::TaskRef;
use pin_project_lite::pin_project;
use tracing::{Level, Span};

use super::crashes::Crash;
use super::discard::{discard, discard_in_place};
use super::entry::{Entry, EventSubject, Rare};
use super::lineage::Lineage;
use super::ownership::order_by_start;
use super::runtime::{RuntimeHandle, as_process, is_exiting, with_current_runtime};
use super::scope::Scope;
use super::serving::NextIncarnation;
use super::shutdown_state::ShutdownState;
use super::signal::Signal;
use super::task_span::TaskSpan;
use crate::error::StartError;
use crate::exit::{Exit, Location};
use crate::pid::Pid;
use crate::telemetry::{self, Subject};
use crate::unwind::{self, Caught, Unwound};

/// A poll that has lasted for this long or longer is reported at its end, unless a poll of a process with the same spawn
/// location was reported shortly before.
const LONG_POLL: Duration = Duration::from_millis(100);

/// The result of a process, which is passed to the recipient.
pub(crate) struct ProcessReply<T> {
    /// `None` only while `take` or `drop` consumes the reply. The exit is boxed, so that the reply is small: it is moved several times.
    result: Option<Result<T, Box<Exit>>>,
    /// Kept here so that the thread that has spawned the process usually drops it: the cache of that thread has the reference count.
    _lineage: Option<Arc<Lineage>>,
}

impl<T> ProcessReply<T> {
    /// Returns whether the process has ended without a value.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    /// Returns the result.
    pub(crate) fn take(mut self) -> Result<T, Exit> {
        let result = self.result.take().expect("only `take` and `drop` remove the result, and both consume the reply");
        result.map_err(|exit| *exit)
    }
}

/// Discards a result that was not taken. The destructor of the result may be user code.
impl<T> Drop for ProcessReply<T> {
    fn drop(&mut self) {
        if self.result.is_some() {
            discard_in_place(&mut self.result);
        }
    }
}

/// Receives the result of a process, after its links and monitors have been notified.
pub(crate) trait Recipient<T> {
    /// What the scheduler passes to the join handle of the process.
    type Output;

    /// Receives the result. Must not panic.
    fn receive(self, reply: ProcessReply<T>) -> Self::Output;
}

/// The recipient that passes the reply on to the join handle.
pub(crate) struct ToJoinHandle;

impl<T> Recipient<T> for ToJoinHandle {
    type Output = ProcessReply<T>;

    fn receive(self, reply: ProcessReply<T>) -> ProcessReply<T> {
        reply
    }
}

/// The parts of a process that its registration sets.
#[derive(Default)]
pub(super) struct RegisteredParts {
    /// `None` before the process is registered and after its end. During a poll, it is that of the outer process: `as_process` exchanges
    /// the two.
    pub(super) task: Option<TaskRef>,
    /// Boxed, because most processes have none.
    pub(super) span: Option<Box<TaskSpan>>,
    /// `None` for a process without a scope. During a poll, it is that of the outer code: `as_process` exchanges the two.
    pub(super) scope: Option<Scope>,
}

pin_project! {
    /// A process, as the future that the scheduler polls.
    pub(crate) struct ProcessFuture<F, C, R> {
        carried: RegisteredParts,
        into_result: C,
        // `None` after the last poll.
        recipient: Option<R>,
        // `None` once the future was dropped.
        #[pin]
        future: Option<F>,
    }
}

impl<F, C, R> ProcessFuture<F, C, R> {
    /// Makes a process that has no task yet.
    pub(super) fn new(future: F, into_result: C, recipient: R) -> ProcessFuture<F, C, R> {
        ProcessFuture {
            carried: RegisteredParts::default(),
            into_result,
            recipient: Some(recipient),
            future: Some(future),
        }
    }

    pub(super) fn carried(&mut self) -> &mut RegisteredParts {
        &mut self.carried
    }
}

impl<F, C, R, T> Future for ProcessFuture<F, C, R>
where
    F: Future,
    C: Fn(F::Output) -> Result<T, Exit>,
    R: Recipient<T>,
{
    type Output = R::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let mut this = self.project();
        let RegisteredParts { task, span, scope } = this.carried;
        // These are three variables: a tuple would be moved as a whole right after its parts were stored, which stalls the processor.
        let (mut value, mut failure, mut lineage) = (None, None, None);
        let is_exiting = task.as_ref().is_some_and(TaskRef::is_ending);
        let has_ended = as_process(task, scope, cx.waker(), |runtime, pid, own_poll| {
            let mut exit = Exit::Normal;
            let is_exiting = is_exiting || ends_with_runtime(runtime, pid);
            let polled = unwind::catch(|| {
                let _entered = span.as_deref().map(TaskSpan::enter);
                if !is_exiting && let Some(future) = this.future.as_mut().as_pin_mut() {
                    let polled = future.poll(cx);
                    own_poll.drop_spares();
                    match (this.into_result)(std::task::ready!(polled)) {
                        Ok(output) => value = Some(output),
                        Err(own_exit) => exit = own_exit,
                    }
                }
                own_poll.while_dropping(|| this.future.set(None));
                Poll::Ready(())
            });
            let panics = match polled {
                Ok(Poll::Pending) => return false,
                Ok(Poll::Ready(())) => [None, None],
                Err(unwound) => {
                    // If the destructor of the future has panicked, `future` is `None` already.
                    let dropped = unwind::catch_cold(|| {
                        let _entered = span.as_deref().map(TaskSpan::enter);
                        own_poll.while_dropping(|| this.future.set(None));
                    });
                    [unwound.into_panic(), dropped.err().and_then(Unwound::into_panic)]
                }
            };
            // The spares are dropped here, too: the destructors of the future may have sent messages, and a poll that has panicked has not
            // dropped its spares.
            own_poll.drop_spares();
            lineage = end(runtime, pid, span.as_deref(), &mut exit, panics);
            match value {
                Some(_) => discard_exit(exit),
                None => failure = Some(Box::new(exit)),
            }
            // Dropping the last reference to a span calls the subscriber, which may be user code.
            if let Some(span) = span.take() {
                unwind::ignore_panic(|| drop(span));
            }
            true
        });
        if !has_ended {
            if task.as_ref().is_some_and(TaskRef::take_sampled) {
                report_long_poll(task, span.as_deref());
            }
            return Poll::Pending;
        }
        let result = match failure {
            Some(exit) => Some(Err(exit)),
            None => value.map(Ok),
        };
        let reply = ProcessReply { result, _lineage: lineage };
        // Called outside of `as_process`, so that the destructors and wakers that the recipient calls do not see the ended process as the
        // current process.
        let output = this.recipient.take().expect("a future is not polled again once it was ready").receive(reply);
        if let Some(task) = task.take() {
            task.leave();
        }
        Poll::Ready(output)
    }
}

/// Kills the process if its runtime has stopped. Returns whether the process ends then. A runtime that stops kills its processes one after
/// another: without this check, a process could handle the exit of one that was killed earlier, as if only that one had been killed.
#[inline]
fn ends_with_runtime(runtime: &RuntimeHandle, pid: Pid) -> bool {
    runtime.executor().is_closed() && is_killed_with_runtime(runtime, pid)
}

#[cold]
fn is_killed_with_runtime(runtime: &RuntimeHandle, pid: Pid) -> bool {
    runtime.kill(pid);
    // A kill only notifies a guardian, which ends later.
    is_exiting()
}

/// Ends a process whose future was dropped: removes the process from the table, and notifies its links and monitors. Returns its lineage.
/// `exit` is the exit of the future before the call, and that of the process after it. This function is not generic, so that it is not
/// compiled again for each future of a user.
fn end(
    runtime: &RuntimeHandle,
    pid: Pid,
    span: Option<&TaskSpan>,
    exit: &mut Exit,
    [first, second]: [Option<Box<Caught>>; 2],
) -> Option<Arc<Lineage>> {
    let mut entry = runtime.remove(pid).expect("a process is removed from the table only here, after its last poll");
    let (panic, lost_panic) = if first.is_some() { (first, second) } else { (second, None) };
    let signaled = std::mem::replace(&mut entry.shutdown, ShutdownState::Running).into_exit();
    // A panic takes precedence over the exit of a signal, so that no panic is lost.
    let mut span_of_panic = None;
    if let Some(mut caught) = panic {
        span_of_panic = caught.span.take().filter(|span| !span.is_none());
        signaled.into_iter().for_each(discard_exit);
        let spawned_at = Location::from(entry.spawned_at);
        let exit_of_panic = caught.into_exit(pid, entry.label().cloned(), spawned_at, entry.callers().to_vec());
        discard_exit(std::mem::replace(exit, exit_of_panic));
    } else if let Some(signaled) = signaled {
        discard_exit(std::mem::replace(exit, signaled));
    }
    runtime.executor().clear_alarm(&entry.task);
    if entry.task.take_sampled() {
        count_and_emit_if_long(runtime, &EventSubject::of(&entry).subject(pid), span);
    }
    if exit.is_abnormal() {
        let crash = crash(runtime, pid, &entry, exit);
        runtime.crashes().push(crash, entry.lineage.clone(), runtime.executor().coarse_now());
    }
    if telemetry::is_enabled(Level::ERROR) {
        // A subscriber that panics must not keep the links and monitors from being notified.
        unwind::ignore_panic(|| {
            // A panic is reported in the span in which it happened. That may be a span that the code of the process has entered.
            let span_of_panic = span_of_panic.take();
            let _entered = (span.map(TaskSpan::enter), span_of_panic.as_ref().map(Span::enter));
            let (subject, age) = (EventSubject::of(&entry), age(runtime, &entry));
            if is_reported_start(&entry, exit) {
                telemetry::start_ended(&subject.subject(pid), exit, age, entry.callers());
            } else {
                telemetry::stopped(&subject.subject(pid), exit, age, entry.callers());
            }
            lost_panic.into_iter().for_each(|caught| telemetry::lost_panic(&caught));
        });
    }
    let parent = entry.child_slot.take().map(|slot| slot.release(exit));
    if let Some(serving) = entry.rare.as_mut().and_then(|rare| rare.serving.take()) {
        let next = || match &parent {
            Some((parent, index)) => parent.children.next_incarnation(*index),
            None => NextIncarnation::Never,
        };
        unwind::ignore_panic(|| serving.ended(pid, exit, &next));
    }
    if let Some(rare) = entry.rare.take() {
        notify_of_end(runtime, pid, *rare, exit);
    }
    entry.lineage.take()
}

/// Notifies the links, guardians and monitors of a process that has ended. Each notification may call a waker of the user: if that waker
/// panics, the remaining notifications are still sent.
fn notify_of_end(runtime: &RuntimeHandle, pid: Pid, rare: Rare, exit: &Exit) {
    order_by_start(runtime, pid, &rare.guardians);
    for peer in rare.links.into_iter().chain(rare.guardians.into_values()) {
        unwind::ignore_panic(|| runtime.signal(peer, Signal::LinkEnded { from: pid, exit: exit.clone() }));
    }
    for monitor in rare.monitors.into_values() {
        // An error means that the receiver was dropped.
        unwind::ignore_panic(|| monitor.send(exit.clone()).is_ok());
    }
    for trap in rare.traps.into_values() {
        // Ends the stream of trapped exits, which may outlive the process.
        unwind::ignore_panic(|| drop(trap));
    }
    // Futures that wait for a request to shut down may outlive the process. They become ready.
    rare.shutdown_notice.iter().for_each(|notice| notice.give());
}

/// Counts the poll that is about to return, and reports it if it has lasted for `LONG_POLL` or longer. For a process that has not ended.
#[cold]
fn report_long_poll(task: &Option<TaskRef>, span: Option<&TaskSpan>) {
    let Some(task) = task else { return };
    with_current_runtime(|runtime| {
        let pid = runtime.pid_of_task(task);
        if let Some(subject) = runtime.with(pid, |entry| EventSubject::of(entry)) {
            count_and_emit_if_long(runtime, &subject.subject(pid), span);
        }
    });
}

/// Counts the poll that is about to return. If it has lasted for `LONG_POLL` or longer, emits an event about it in the span of the process.
#[cold]
fn count_and_emit_if_long(runtime: &RuntimeHandle, subject: &Subject<'_>, span: Option<&TaskSpan>) {
    let Some(lasted) = runtime.executor().own_poll_lasted() else { return };
    runtime.poll_ended(subject.spawned_at, lasted);
    if lasted < LONG_POLL {
        return;
    }
    let Some(left_out) = runtime.long_poll_ended(subject.spawned_at) else { return };
    unwind::ignore_panic(|| {
        let _entered = span.map(TaskSpan::enter);
        telemetry::long_poll_end(subject, lasted, left_out);
    });
}

fn crash(runtime: &RuntimeHandle, pid: Pid, entry: &Entry, exit: &Exit) -> Crash {
    Crash {
        number: 0,
        pid,
        label: entry.label().cloned(),
        kind: entry.kind(),
        spawned_at: Location::from(entry.spawned_at),
        callers: Vec::new(),
        supervisor: entry.parent().map(|parent| parent.pid),
        child_id: entry.parent().and_then(|parent| parent.id.clone()),
        incarnation: entry.parent().map_or(1, |parent| parent.incarnation),
        exit: exit.clone(),
        age: age(runtime, entry),
        ago: Duration::ZERO,
    }
}

/// Returns whether the event `start_failed` has reported this exit already, because the start of the process took too long.
fn is_reported_start(entry: &Entry, exit: &Exit) -> bool {
    let is_reported = entry.rare.as_ref().is_some_and(|rare| rare.start_failed_is_emitted);
    is_reported && matches!(exit, Exit::Error(error) if error.is::<StartError>())
}

/// Returns how long ago a process was spawned.
fn age(runtime: &RuntimeHandle, entry: &Entry) -> Duration {
    Duration::from_millis(runtime.executor().coarse_now().saturating_sub(entry.spawned_at_ms()))
}

/// Like `discard`, but skips exits that hold no user value.
#[inline]
fn discard_exit(exit: Exit) {
    if matches!(exit, Exit::Error(_)) {
        discard(exit);
    } else if !matches!(exit, Exit::Normal) {
        drop(exit);
    }
}
