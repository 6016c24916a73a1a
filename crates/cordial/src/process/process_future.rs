//! The future that the scheduler polls: the user's, wrapped in everything that makes it a process.
//!
//! ```text
//!  poll ─► told to end? ──yes──────────────────────────────┐
//!            │ no                                          ▼
//!            └► user's poll ─► Pending ─► Pending      drop the user's future ─► out of the table ─► links, monitors
//!                   │ Ready, panic, checkpoint ───────────▲                                              │
//!                                                                               Reply to its recipient ◄─┘
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cordial_sched::TaskRef;
use pin_project_lite::pin_project;
use tracing::{Level, Span};

use super::context;
use super::entry::EventSubject;
use super::guardian;
use super::handle::Handle;
use super::lineage::Lineage;
use super::signal::Signal;
use crate::exit::{Exit, Location};
use crate::pid::Pid;
use crate::telemetry;
use crate::unwind::{self, Unwound};

/// The answer that waits in the task cell for whoever holds the handle.
pub(crate) struct Reply<T> {
    answer: Option<Result<T, Exit>>,
    /// Goes back to where it came from: whoever awaits a process is most often who spawned it, and counts it there.
    _lineage: Option<Arc<Lineage>>,
}

impl<T> Reply<T> {
    /// Once.
    pub(crate) fn take(mut self) -> Result<T, Exit> {
        self.answer.take().unwrap_or(Err(Exit::NoProcess))
    }
}

/// Who gets the answer of a process, once everybody else was told of its end.
pub(crate) trait Recipient<T> {
    /// What waits in the task cell after that.
    type Output;

    /// Must not panic.
    fn receive(self, reply: Reply<T>) -> Self::Output;
}

/// Whoever holds the handle.
pub(crate) struct Holder;

impl<T> Recipient<T> for Holder {
    type Output = Reply<T>;

    fn receive(self, reply: Reply<T>) -> Reply<T> {
        reply
    }
}

/// An answer that nobody took is dropped wherever the last reference ends.
impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            discard(answer);
        }
    }
}

/// Drops what is the user's, a value or the error in an exit: it must not take anybody with it.
pub(crate) fn discard<T>(unwanted: T) {
    if let Err(Unwound::Panic(caught)) = unwind::catch(move || drop(unwanted)) {
        unwind::ignore_panic(|| telemetry::lost_panic(&caught));
    }
}

/// The same, with a thought for all that are ours alone.
fn discard_exit(unwanted: Exit) {
    if matches!(unwanted, Exit::Error(_)) {
        discard(unwanted);
    }
}

pin_project! {
    /// A process as the scheduler sees it.
    pub(crate) struct ProcessFuture<F, C, R> {
        task: TaskRef,
        // Seldom there, so it takes little room.
        span: Option<Box<Span>>,
        into_result: C,
        // Until the end.
        recipient: Option<R>,
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
    }
}

impl<F, C, R> ProcessFuture<F, C, R> {
    pub(super) fn new(
        task: TaskRef,
        span: Option<Box<Span>>,
        future: F,
        into_result: C,
        recipient: R,
    ) -> ProcessFuture<F, C, R> {
        ProcessFuture { task, span, into_result, recipient: Some(recipient), future: Some(future) }
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
        let task = *this.task;
        let mut reply = None;
        context::as_process(task, |runtime, pid| {
            let mut result = None;
            let is_ending = task.is_ending();
            let polled = unwind::catch(|| {
                let _entered = this.span.as_deref().map(Span::enter);
                if !is_ending && let Some(future) = this.future.as_mut().as_pin_mut() {
                    let output = std::task::ready!(future.poll(cx));
                    result = Some((this.into_result)(output));
                }
                this.future.set(None);
                Poll::Ready(())
            });
            let unwound = match polled {
                Ok(Poll::Pending) => return,
                Ok(Poll::Ready(())) => [None, None],
                Err(unwound) => {
                    // Nothing is left of the future if it was its destructor that panicked.
                    let dropped = unwind::catch(|| {
                        let _entered = this.span.as_deref().map(Span::enter);
                        this.future.set(None);
                    });
                    [Some(unwound), dropped.err()]
                }
            };
            reply = Some(end(runtime, pid, this.span.as_deref(), result, unwound));
            // Its subscriber is the user's.
            if let Some(span) = this.span.take() {
                let _ = unwind::catch(|| drop(span));
            }
        });
        let Some(reply) = reply else { return Poll::Pending };
        // The process is no more: what the recipient drops or wakes, it does not in its name.
        Poll::Ready(this.recipient.take().expect("not polled again after its end").receive(reply))
    }
}

/// The process has ended and its destructors have run: takes it out of the table and tells the others.
fn end<T>(
    runtime: &Handle,
    pid: Pid,
    span: Option<&Span>,
    result: Option<Result<T, Exit>>,
    unwound: [Option<Unwound>; 2],
) -> Reply<T> {
    let Some(mut entry) = runtime.remove(pid) else { return Reply { answer: None, _lineage: None } };
    let (value, own_exit) = match result {
        Some(Ok(value)) => (Some(value), Exit::Normal),
        Some(Err(exit)) => (None, exit),
        None => (None, Exit::Normal),
    };
    let mut panics = unwound.into_iter().flatten().filter_map(|unwound| match unwound {
        Unwound::Panic(caught) => Some(caught),
        Unwound::Checkpoint => None,
    });
    // A crash is never lost: it goes before what the process was told to end with.
    let exit = match (panics.next(), entry.ending.take()) {
        (Some(caught), unheeded) => {
            unheeded.into_iter().for_each(|exit| discard_exit(*exit));
            discard_exit(own_exit);
            let spawned_at = Location::from(entry.spawned_at);
            caught.into_exit(pid, entry.label().cloned(), spawned_at, entry.callers().to_vec())
        }
        (None, Some(ending)) => {
            discard_exit(own_exit);
            *ending
        }
        (None, None) => own_exit,
    };
    if exit.is_abnormal() {
        runtime.crashes().add(runtime, pid, &entry, &exit);
    }
    if telemetry::is_enabled(Level::ERROR) {
        // A subscriber that panics must not keep the others from being told.
        let _ = unwind::catch(|| {
            let _entered = span.map(Span::enter);
            telemetry::stopped(&EventSubject::of(&entry).subject(pid), &exit, entry.callers());
            panics.for_each(|caught| telemetry::lost_panic(&caught));
        });
    }
    if let Some(child_slot) = entry.child_slot.take() {
        child_slot.leave(&exit);
    }
    if let Some(rare) = entry.rare.take() {
        guardian::order_by_start(runtime, pid, &rare.guardians);
        for peer in rare.links.into_iter().chain(rare.guardians) {
            // It may wake somebody, and a waker of the user that panics must not keep the others from being told.
            let _ = unwind::catch(|| runtime.signal(peer, Signal::LinkEnded { from: pid, exit: exit.clone() }));
        }
        for monitor in rare.monitors.into_values() {
            // Whoever dropped the receiver no longer wants to know.
            let _ = unwind::catch(|| monitor.send(exit.clone()).is_ok());
        }
    }
    let answer = match value {
        Some(value) => {
            discard_exit(exit);
            Ok(value)
        }
        None => Err(exit),
    };
    Reply { answer: Some(answer), _lineage: entry.lineage.take() }
}
