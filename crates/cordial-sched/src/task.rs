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
use crate::parked::Token;
use crate::{Executor, Key, stock};

/// A box for one task after another.
pub(crate) struct Task {
    home: &'static Home,
    waker: Waker,
    /// `None` in the stock, and in a mark.
    job: Option<Job>,
}

/// What makes it a certain task.
struct Job {
    key: Key,
    executor: Executor,
    work: Pin<Box<dyn Work>>,
}

/// Who gets the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The handle.
    Joined,
    Nobody,
}

impl Task {
    pub(crate) fn empty(home: &'static Home, waker: Waker) -> Box<Task> {
        Box::new(Task { home, waker, job: None })
    }

    /// One that nobody has begun.
    pub(crate) fn new<F>(key: Key, executor: Executor, future: F, claim: Claim) -> Box<Task>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut task = stock::take(executor.is_simulated());
        let work = Box::pin(Run { claim, state: State::Running { future } });
        task.job = Some(Job { key, executor, work });
        task
    }

    pub(crate) fn home(&self) -> &'static Home {
        self.home
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.job.as_ref().map(|job| job.key)
    }

    pub(crate) fn executor(&self) -> Option<&Executor> {
        self.job.as_ref().map(|job| &job.executor)
    }

    /// What the task has polls for.
    pub(crate) fn set_waker(&mut self, waker: Waker) {
        self.waker = waker;
    }

    pub(crate) fn poll(&mut self) -> Poll<Claim> {
        let Some(job) = &mut self.job else { return Poll::Ready(Claim::Nobody) };
        self.home.forget_marks();
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
        self.job.as_mut()?.work.as_mut().take_output(&mut output);
        output
    }

    /// Nobody wants anything of it any more.
    pub(crate) fn retire(mut self: Box<Self>) {
        let is_simulated = self.executor().is_some_and(Executor::is_simulated);
        self.job = None;
        stock::give(self, is_simulated);
    }
}

impl Token for Box<Task> {
    fn is_mark(&self) -> bool {
        self.job.is_none()
    }
}

/// A future of any type, and after that its output.
trait Work: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Claim>;

    /// Puts the output into an `Option` of its type.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);
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

impl<F> Work for Run<F>
where
    F: Future + Send,
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
}
