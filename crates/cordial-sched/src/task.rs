//! A task: a future, and what it takes to wake it. It belongs to one at a time: to a queue, to the thread that polls it,
//! to its home while it waits, and to its home again when it is done, for whoever joins it.
//!
//! ```text
//!  stock ─► start ─► queue ─► polled ─┬─ Pending ─► its home ── woken ─► queue
//!    ▲                                └─ Ready ───► its home ── joined ──┐
//!    └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Homes and the boxes that tasks travel in are used again and never freed, so that wakers need not count.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::home::Home;
use crate::origin::Origin;
use crate::parked::Token;
use crate::stock;

/// A box for one task after another.
pub(crate) struct Task {
    home: &'static Home,
    waker: Waker,
    content: Content,
}

enum Content {
    /// Of a box that was never used, and of a mark.
    Nothing,
    /// What the task before has left: a place for the future of the next one, if that is of the same type.
    Spare(Pin<Box<dyn Work>>),
    Job(Job),
}

/// What makes it a certain task.
struct Job {
    origin: &'static Origin,
    work: Pin<Box<dyn Work>>,
}

/// Larger futures are not worth to be kept for the next task.
const LARGEST_SPARE: usize = 512;

/// Who gets the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The handle.
    Joined,
    Nobody,
}

impl Task {
    pub(crate) fn empty(home: &'static Home, waker: Waker) -> Box<Task> {
        Box::new(Task { home, waker, content: Content::Nothing })
    }

    /// Puts a job into a box that has none.
    // As `Executor::prepare`.
    #[inline(always)]
    pub(crate) fn fill<F>(&mut self, origin: &'static Origin, future: F, claim: Claim)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Spare(spare) => renew(spare, claim, future),
            Content::Nothing | Content::Job(_) => Run::boxed(claim, future),
        };
        self.content = Content::Job(Job { origin, work });
    }

    pub(crate) fn home(&self) -> &'static Home {
        self.home
    }

    pub(crate) fn origin(&self) -> Option<&'static Origin> {
        self.job().map(|job| job.origin)
    }

    fn job(&self) -> Option<&Job> {
        match &self.content {
            Content::Job(job) => Some(job),
            Content::Nothing | Content::Spare(_) => None,
        }
    }

    /// What the task has polls for.
    pub(crate) fn set_waker(&mut self, waker: Waker) {
        self.waker = waker;
    }

    pub(crate) fn poll(&mut self) -> Poll<Claim> {
        let Content::Job(job) = &mut self.content else { return Poll::Ready(Claim::Nobody) };
        self.home.begin_poll();
        job.work.as_mut().poll(&mut Context::from_waker(&self.waker))
    }

    /// Back to the home: the task waits, and is given back if it was woken meanwhile.
    pub(crate) fn park(self: Box<Self>) -> Option<Box<Task>> {
        self.home.park(self)
    }

    /// The future is done.
    pub(crate) fn finish(self: Box<Self>, claim: Claim) {
        match claim {
            Claim::Joined => self.home.finish(self),
            Claim::Nobody => self.retire(),
        }
    }

    /// Once.
    pub(crate) fn take_output<T: 'static>(&mut self) -> Option<T> {
        let mut output: Option<T> = None;
        if let Content::Job(job) = &mut self.content {
            job.work.as_mut().take_output(&mut output);
        }
        output
    }

    /// Nobody wants anything of it any more.
    pub(crate) fn retire(mut self: Box<Self>) {
        let Content::Job(mut job) = std::mem::replace(&mut self.content, Content::Nothing) else { return };
        job.work.as_mut().clear();
        if size_of_val(&*job.work) <= LARGEST_SPARE {
            self.content = Content::Spare(job.work);
        }
        stock::give(self, job.origin.is_simulated());
    }

    /// What was left for the next task.
    pub(crate) fn take_spare(&mut self) -> Option<Pin<Box<dyn Work>>> {
        match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Spare(spare) => Some(spare),
            other => {
                self.content = other;
                None
            }
        }
    }
}

impl Token for Box<Task> {
    fn is_mark(&self) -> bool {
        self.job().is_none()
    }
}

/// A future of any type, and after that its output.
pub(crate) trait Work: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Claim>;

    /// Puts the output into an `Option` of its type.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);

    /// Drops the future or the output, whichever is there.
    fn clear(self: Pin<&mut Self>);

    /// Begins anew with the future out of an `Option` of its type. Nothing happens to one of another type.
    fn renew(self: Pin<&mut Self>, claim: Claim, future: &mut dyn Any);
}

/// Uses the place of a future that is done for the next one, or another place if that is of another type.
// As `Executor::prepare`.
#[inline(always)]
fn renew<F>(mut spare: Pin<Box<dyn Work>>, claim: Claim, future: F) -> Pin<Box<dyn Work>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut future = Some(future);
    spare.as_mut().renew(claim, &mut future);
    match future {
        None => spare,
        Some(future) => Run::boxed(claim, future),
    }
}

pin_project! {
    struct Run<F: Future> {
        claim: Claim,
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjected]
    #[project_replace = StateReplaced]
    enum State<F: Future> {
        Running { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

impl<F> Run<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn boxed(claim: Claim, future: F) -> Pin<Box<dyn Work>> {
        Box::pin(Run { claim, state: State::Running { future } })
    }
}

impl<F> Work for Run<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Claim> {
        let mut run = self.project();
        if let StateProjected::Running { future } = run.state.as_mut().project() {
            let output = std::task::ready!(future.poll(cx));
            run.state.project_replace(State::Done { output });
        }
        Poll::Ready(*run.claim)
    }

    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any) {
        if let Some(place) = output.downcast_mut::<Option<F::Output>>()
            && let StateReplaced::Done { output } = self.project().state.project_replace(State::Taken)
        {
            *place = Some(output);
        }
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().state.set(State::Taken);
    }

    fn renew(self: Pin<&mut Self>, claim: Claim, future: &mut dyn Any) {
        if let Some(future) = future.downcast_mut::<Option<F>>().and_then(Option::take) {
            let mut run = self.project();
            *run.claim = claim;
            run.state.set(State::Running { future });
        }
    }
}
