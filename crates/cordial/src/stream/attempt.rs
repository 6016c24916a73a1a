//! One item at work: its task, and its limit.
//!
//! ```text
//!  spawn ──── limit ────► kill ── 100 ms ──► abandoned; the item is `Err(Timeout)`, its slot is free
//!    │ ends: its result    │ ends: `Err(Timeout)`, unless a value came after all
//! ```

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::exit::{Exit, TimedOut};
use crate::process::{AFTER_KILL, abandon};
use crate::task::{Limit, Task, Timeout};

/// A future of an item's index and result.
pub(super) struct Attempt<T> {
    idx: usize,
    task: Task<T>,
    limit: Limit,
    phase: Phase,
}

enum Phase {
    Running(Timeout),
    /// The limit has passed and the process was killed.
    Killed(TimedOut),
}

impl<T: Send> Attempt<T> {
    /// The limit counts from here.
    pub(super) fn new(idx: usize, task: Task<T>, timeout: Timeout) -> Attempt<T> {
        let limit = Limit::new(task.runtime().as_ref(), timeout);
        Attempt { idx, task, limit, phase: Phase::Running(timeout) }
    }
}

impl<T: Send> Future for Attempt<T> {
    type Output = (usize, Result<T, Exit>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(answer) = this.task.poll_answer(cx) {
                let result = match (answer, &this.phase) {
                    (Err(_), Phase::Killed(timed_out)) => Err(Exit::Timeout(timed_out.clone())),
                    (answer, _) => answer,
                };
                return Poll::Ready((this.idx, result));
            }
            // An answer that is on its way wakes this, and does not time out.
            if this.limit.poll(cx).is_pending() || this.task.is_finished() {
                return Poll::Pending;
            }
            match &this.phase {
                Phase::Running(Timeout::Infinity) => return Poll::Pending,
                Phase::Running(Timeout::After(limit)) => {
                    // While the process can still be asked who it is.
                    this.phase = Phase::Killed(this.task.timed_out(*limit));
                    this.task.kill();
                    this.limit = Limit::new(this.task.runtime().as_ref(), Timeout::After(AFTER_KILL));
                }
                Phase::Killed(timed_out) => {
                    let timed_out = timed_out.clone();
                    if let Some(runtime) = this.task.runtime() {
                        abandon(&runtime, this.task.pid());
                    }
                    this.task.give_up();
                    return Poll::Ready((this.idx, Err(Exit::Timeout(timed_out))));
                }
            }
        }
    }
}
