//! The limit of one wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial_sched::{Deadline, Timer};

use super::runtime::{RuntimeHandle, own_deadline, poll_own_deadline};

/// The limit of a wait. In a process it costs no timer of its own: the process is woken at the deadline at the latest, and all its waits
/// share that wake-up.
#[derive(Debug)]
pub(crate) enum WaitLimit {
    /// The limit never passes.
    Never,
    OfProcess(Deadline),
    /// For code that is not polled with the waker of a process: outside of any process, or below a future that has wakers of its
    /// own.
    Timer(Box<Timer>),
}

impl WaitLimit {
    /// Begins a wait of the code that is polled with `cx`. `runtime` has the timer, if the wait needs one.
    #[inline]
    pub(crate) fn begin(limit: Duration, runtime: &RuntimeHandle, cx: &mut Context<'_>) -> WaitLimit {
        let mut begun = match own_deadline(cx, limit) {
            Some(deadline) => deadline.map_or(WaitLimit::Never, WaitLimit::OfProcess),
            None => WaitLimit::with_timer(limit, runtime),
        };
        // The first poll arms the wake-up. A short limit may have passed meanwhile, and then nothing was armed.
        if begun.poll(runtime, cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        begun
    }

    /// Ready once the limit has passed.
    #[inline]
    pub(crate) fn poll(&mut self, runtime: &RuntimeHandle, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            WaitLimit::Never => Poll::Pending,
            WaitLimit::OfProcess(deadline) => match poll_own_deadline(cx, *deadline) {
                Some(polled) => polled,
                None => {
                    let deadline = *deadline;
                    self.poll_elsewhere(deadline, runtime, cx)
                }
            },
            WaitLimit::Timer(timer) => Pin::new(&mut **timer).poll(cx),
        }
    }

    /// Returns the limit as a number, from which [`from_bits`](WaitLimit::from_bits) with the same `runtime` makes the limit again.
    /// `None` if it has a timer, or a deadline on the clock of another runtime.
    #[inline]
    pub(crate) fn to_bits(&self, runtime: &RuntimeHandle) -> Option<u64> {
        match self {
            WaitLimit::Never => Some(0),
            WaitLimit::OfProcess(deadline) => deadline.to_bits(runtime.executor()),
            WaitLimit::Timer(_) => None,
        }
    }

    /// Makes a limit of the number that [`to_bits`](WaitLimit::to_bits) has returned.
    pub(crate) fn from_bits(bits: u64, runtime: &RuntimeHandle) -> WaitLimit {
        if bits == 0 { WaitLimit::Never } else { WaitLimit::OfProcess(runtime.executor().deadline_from_bits(bits)) }
    }

    fn with_timer(limit: Duration, runtime: &RuntimeHandle) -> WaitLimit {
        let timer = runtime.executor().timer(limit);
        timer.map_or(WaitLimit::Never, |timer| WaitLimit::Timer(Box::new(timer)))
    }

    /// Goes on with a timer for the same deadline, because the wait has left its process.
    #[cold]
    fn poll_elsewhere(&mut self, deadline: Deadline, runtime: &RuntimeHandle, cx: &mut Context<'_>) -> Poll<()> {
        *self = WaitLimit::with_timer(deadline.time().saturating_duration_since(runtime.executor().now()), runtime);
        self.poll(runtime, cx)
    }
}
