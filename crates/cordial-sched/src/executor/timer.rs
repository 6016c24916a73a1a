//! A future that is ready at a given time.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::executor::handle::Executor;
use crate::timeout::{ArmedTimeout, Instant};

/// A future that is ready at a given time. Any thread may poll it, even one of another executor. Never ready in a forked process.
pub struct Timer {
    executor: Executor,
    deadline: Instant,
    armed: Option<ArmedTimeout>,
}

impl Executor {
    /// Returns a future that is ready after `after`. `None` if that is later than any clock can show.
    pub fn timer(&self, after: Duration) -> Option<Timer> {
        let deadline = self.now().checked_add(after)?;
        Some(Timer { executor: self.clone(), deadline, armed: None })
    }
}

impl Timer {
    /// Returns whether this is a forked process, and the executor was started before the fork. Then the timer is never ready.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.executor.is_forked()
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.executor.is_forked() {
            return Poll::Pending;
        }
        let timeouts = &self.executor.common().timeouts;
        if let Some(armed) = self.armed {
            return timeouts.poll(armed, cx);
        }
        let armed = timeouts.arm(self.deadline, cx.waker().clone());
        self.armed = Some(armed);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(armed) = self.armed
            && !self.executor.is_forked()
        {
            self.executor.common().timeouts.disarm(armed);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
