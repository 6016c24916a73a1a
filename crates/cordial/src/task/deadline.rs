//! The deadline of one wait, and the description of a process that exceeded its timeout.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cordial_sched::Timer;

use crate::exit::{Location, NamedLimit, TimedOut};
use crate::pid::Pid;
use crate::process::{RuntimeHandle, capped};
use crate::timeout::Timeout;

/// The deadline of one wait, on the clock of a runtime.
pub(super) enum Deadline {
    Elapsed,
    Armed(Timer),
    Never,
    /// The deadline of the scope, which comes before that of the timeout. Once it has passed, the timeout starts again if the wait continues
    /// outside of that scope.
    OfScope {
        deadline: Box<Deadline>,
        runtime: RuntimeHandle,
        timeout: Timeout,
    },
}

impl Deadline {
    /// Starts counting down, to the deadline of the scope at the latest. A deadline that is later than the clock can represent never
    /// elapses.
    pub(super) fn new(runtime: &RuntimeHandle, timeout: Timeout) -> Deadline {
        let capped_timeout = capped(timeout);
        let deadline = Deadline::outside_of_scopes(runtime, capped_timeout);
        if capped_timeout == timeout {
            return deadline;
        }
        Deadline::OfScope { deadline: Box::new(deadline), runtime: runtime.clone(), timeout }
    }

    /// Like [`new`](Deadline::new), but the deadline of the scope does not count.
    pub(super) fn outside_of_scopes(runtime: &RuntimeHandle, timeout: Timeout) -> Deadline {
        match timeout {
            Timeout::After(Duration::ZERO) => Deadline::Elapsed,
            Timeout::After(timeout) => runtime.executor().timer(timeout).map_or(Deadline::Never, Deadline::Armed),
            Timeout::Infinity => Deadline::Never,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Deadline::Elapsed => Poll::Ready(()),
            Deadline::Armed(timer) => Pin::new(timer).poll(cx),
            Deadline::Never => Poll::Pending,
            Deadline::OfScope { deadline, runtime, timeout } => {
                ready!(deadline.poll(cx));
                if capped(*timeout) == Timeout::After(Duration::ZERO) {
                    return Poll::Ready(());
                }
                *self = Deadline::new(runtime, *timeout);
                self.poll(cx)
            }
        }
    }
}

/// Describes a process that exceeded its timeout. `None` if the process has left the process table.
pub(crate) fn timed_out(runtime: &RuntimeHandle, pid: Pid, limit: NamedLimit) -> Option<TimedOut> {
    let known = runtime.with(pid, |entry| (entry.label().cloned(), Location::from(entry.spawned_at)));
    known.map(|(label, spawned_at)| TimedOut::new(limit, pid, label, Some(spawned_at)))
}
