//! The waker of a call, which wakes the caller when the call is answered.

use std::task::{Context, Waker};

use cordial_sched::{TaskRef, Woken};

use crate::process::{current_task, own_waker_address};
use crate::unwind;

/// Wakes the caller, which waits for the answer.
pub(super) enum CallWaker {
    None,
    /// The process that polls the call. This waker stays here after it has woken the process, for the next call of the process.
    Process(TaskRef),
    Other(Waker),
}

/// The waker of a caller, after the first step of a wake-up, which is under the lock of the call. `wake` is the second step, after the lock was
/// released.
#[must_use = "`wake` has to be called, after the lock was released"]
pub(super) enum WokenCaller {
    None,
    Process(#[expect(dead_code, reason = "dropping it queues the process")] Woken),
    Other(Waker),
}

impl CallWaker {
    /// Returns the waker of `cx`. If it is [`CallWaker::Process`], also returns the address of its data, or else 0.
    pub(super) fn of(cx: &Context<'_>) -> (CallWaker, usize) {
        match (own_waker_address(cx), current_task()) {
            (Some(address), Some(task)) => (CallWaker::Process(task), address),
            _ => (CallWaker::Other(cx.waker().clone()), 0),
        }
    }

    #[inline]
    pub(super) fn take(&mut self) -> CallWaker {
        std::mem::replace(self, CallWaker::None)
    }

    /// The first step of a wake-up: takes the waker out, under the lock of the call.
    #[inline]
    pub(super) fn take_woken(&mut self) -> WokenCaller {
        match self {
            CallWaker::None => WokenCaller::None,
            CallWaker::Process(task) => WokenCaller::Process(task.take_woken()),
            CallWaker::Other(_) => match self.take() {
                CallWaker::Other(waker) => WokenCaller::Other(waker),
                CallWaker::None | CallWaker::Process(_) => unreachable!("it is `Other`"),
            },
        }
    }
}

impl WokenCaller {
    #[inline]
    pub(super) fn wake(self) {
        if let WokenCaller::Other(waker) = self {
            unwind::ignore_panic(|| waker.wake());
        }
    }
}
