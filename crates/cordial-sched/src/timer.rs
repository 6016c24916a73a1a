//! Time as the executor counts it: real, or virtual in a simulation.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub use tokio::time::Instant;

use crate::Executor;

/// A future that is ready at a moment, from any thread and inside any other executor.
#[derive(Debug)]
pub struct Timer {
    sleep: Pin<Box<tokio::time::Sleep>>,
    executor: Executor,
}

impl Timer {
    /// Must be called with the executor's tokio runtime entered.
    pub(crate) fn until(deadline: Instant, executor: Executor) -> Timer {
        Timer { sleep: Box::pin(tokio::time::sleep_until(deadline)), executor }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // tokio's timers panic once their runtime is shut down. Nothing is on time then: the tasks have been told to end.
        if self.executor.is_closed() { Poll::Pending } else { self.sleep.as_mut().poll(cx) }
    }
}

/// The moment that lies `after` from `now`; `None` for one that no clock will see.
pub(crate) fn deadline(now: Instant, after: Duration) -> Option<Instant> {
    now.checked_add(after)
}
