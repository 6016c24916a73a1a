//! A task: a future, and what it takes to wake it. It belongs to one at a time: to a queue, to the thread that polls it,
//! to its header while it waits, and to its header again when it is done, for whoever joins it.
//!
//! ```text
//!  stock ─► start ─► queue ─► polled ─┬─ Pending ─► its header ── woken ─► queue
//!    ▲                                └─ Runnable ───► its header ── joined ──┐
//!    └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Homes and the boxes that tasks travel in are used again and never freed, so that wakers need not count.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::free_list;
use crate::task::header::Header;
use crate::task::schedule::SchedulerRef;
use crate::task::slot::SlotValue;

/// The one owner of a task. One word.
pub(crate) struct Runnable(Box<Task>);

/// A box for one task after another.
struct Task {
    header: &'static Header,
    waker: Waker,
    content: Content,
}

enum Content {
    /// Of a box that was never used, and of a mark.
    Nothing,
    /// What the task before has left: a place for the future of the next one, if that is of the same type.
    Spare(Pin<Box<dyn DynFuture>>),
    Job(Job),
}

/// What makes it a certain task.
struct Job {
    scheduler: SchedulerRef,
    work: Pin<Box<dyn DynFuture>>,
}

/// Larger futures are not worth to be kept for the next task.
const LARGEST_SPARE: usize = 512;

/// Who gets the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The handle.
    Join,
    Discard,
}

impl Runnable {
    pub(crate) fn empty(header: &'static Header, waker: Waker) -> Runnable {
        Runnable(Box::new(Task { header, waker, content: Content::Nothing }))
    }

    /// Puts a job into a box that has none.
    // As `Executor::prepare`.
    #[inline(always)]
    pub(crate) fn fill<F>(&mut self, scheduler: SchedulerRef, future: F, claim: Delivery)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = match std::mem::replace(&mut self.0.content, Content::Nothing) {
            Content::Spare(spare) => renew(spare, claim, future),
            Content::Nothing | Content::Job(_) => FutureCell::boxed(claim, future),
        };
        self.0.content = Content::Job(Job { scheduler, work });
    }

    pub(crate) fn header(&self) -> &'static Header {
        self.0.header
    }

    pub(crate) fn scheduler(&self) -> Option<SchedulerRef> {
        self.job().map(|job| job.scheduler)
    }

    fn job(&self) -> Option<&Job> {
        match &self.0.content {
            Content::Job(job) => Some(job),
            Content::Nothing | Content::Spare(_) => None,
        }
    }

    /// What the task has polls for.
    pub(crate) fn set_waker(&mut self, waker: Waker) {
        self.0.waker = waker;
    }

    pub(crate) fn poll(&mut self) -> Poll<Delivery> {
        let Content::Job(job) = &mut self.0.content else { return Poll::Ready(Delivery::Discard) };
        self.0.header.begin_poll();
        job.work.as_mut().poll(&mut Context::from_waker(&self.0.waker))
    }

    /// Back to the header: the task waits, and is given back if it was woken meanwhile.
    pub(crate) fn park(self) -> Option<Runnable> {
        self.0.header.park(self)
    }

    /// The future is done.
    pub(crate) fn finish(self, claim: Delivery) {
        match claim {
            Delivery::Join => self.0.header.finish(self),
            Delivery::Discard => self.retire(),
        }
    }

    /// Once.
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<T> {
        let mut output: Option<T> = None;
        if let Content::Job(job) = &mut self.0.content {
            job.work.as_mut().take_output(&mut output);
        }
        output
    }

    /// Nobody wants anything of it any more.
    pub(crate) fn retire(mut self) {
        let Content::Job(mut job) = std::mem::replace(&mut self.0.content, Content::Nothing) else { return };
        job.work.as_mut().clear();
        if size_of_val(&*job.work) <= LARGEST_SPARE {
            self.0.content = Content::Spare(job.work);
        }
        free_list::give(self, job.scheduler.is_simulated());
    }

    /// What was left for the next task.
    pub(crate) fn take_spare(&mut self) -> Option<Pin<Box<dyn DynFuture>>> {
        match std::mem::replace(&mut self.0.content, Content::Nothing) {
            Content::Spare(spare) => Some(spare),
            other => {
                self.0.content = other;
                None
            }
        }
    }
}

impl SlotValue for Runnable {
    fn is_notified_mark(&self) -> bool {
        self.job().is_none()
    }
}

/// A future of any type, and after that its output.
pub(crate) trait DynFuture: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Delivery>;

    /// Puts the output into an `Option` of its type.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);

    /// Drops the future or the output, whichever is there.
    fn clear(self: Pin<&mut Self>);

    /// Begins anew with the future out of an `Option` of its type. Nothing happens to one of another type.
    fn renew(self: Pin<&mut Self>, claim: Delivery, future: &mut dyn Any);
}

/// Uses the place of a future that is done for the next one, or another place if that is of another type.
// As `Executor::prepare`.
#[inline(always)]
fn renew<F>(mut spare: Pin<Box<dyn DynFuture>>, claim: Delivery, future: F) -> Pin<Box<dyn DynFuture>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut future = Some(future);
    spare.as_mut().renew(claim, &mut future);
    match future {
        None => spare,
        Some(future) => FutureCell::boxed(claim, future),
    }
}

pin_project! {
    struct FutureCell<F: Future> {
        claim: Delivery,
        #[pin]
        state: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjected]
    #[project_replace = StageReplaced]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

impl<F> FutureCell<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn boxed(claim: Delivery, future: F) -> Pin<Box<dyn DynFuture>> {
        Box::pin(FutureCell { claim, state: Stage::Running { future } })
    }
}

impl<F> DynFuture for FutureCell<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut run = self.project();
        if let StageProjected::Running { future } = run.state.as_mut().project() {
            let output = std::task::ready!(future.poll(cx));
            run.state.project_replace(Stage::Done { output });
        }
        Poll::Ready(*run.claim)
    }

    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any) {
        if let Some(place) = output.downcast_mut::<Option<F::Output>>()
            && let StageReplaced::Done { output } = self.project().state.project_replace(Stage::Taken)
        {
            *place = Some(output);
        }
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().state.set(Stage::Taken);
    }

    fn renew(self: Pin<&mut Self>, claim: Delivery, future: &mut dyn Any) {
        if let Some(future) = future.downcast_mut::<Option<F>>().and_then(Option::take) {
            let mut run = self.project();
            *run.claim = claim;
            run.state.set(Stage::Running { future });
        }
    }
}
