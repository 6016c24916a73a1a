//! Time as the executor counts it: real, or virtual in a simulation.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub use tokio::time::Instant;

/// A future that is ready at a moment, from any thread and inside any other executor.
#[derive(Debug)]
pub struct Timer(Pin<Box<tokio::time::Sleep>>);

impl Timer {
    /// Must be called with the executor's tokio runtime entered.
    pub(crate) fn until(deadline: Instant) -> Timer {
        Timer(Box::pin(tokio::time::sleep_until(deadline)))
    }

    /// Whether the moment has come.
    pub fn is_elapsed(&self) -> bool {
        self.0.is_elapsed()
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// The moment that lies `after` from `now`; `None` for one that no clock will see.
pub(crate) fn deadline(now: Instant, after: Duration) -> Option<Instant> {
    now.checked_add(after)
}
