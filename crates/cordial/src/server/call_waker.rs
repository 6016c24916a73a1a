//! The waker of a call, which wakes the caller when the call is answered.

use std::task::{Context, Waker};

use cordial_sched::{TaskRef, Woken};

use crate::process::{current_task, own_waker_address};
use crate::unwind;

/// Wakes the caller, which waits for the answer.
pub(super) enum CallWaker {
    None,
    /// A process of ours. This waker stays here when it wakes the process, for the next call of the process.
    Process(TaskRef),
    Other(Waker),
}

/// A caller that was taken out to be woken. `wake` is the second step, after the lock of the call was released.
#[must_use = "`wake` has to be called, after the lock was released"]
pub(super) enum WokenCaller {
    None,
    Process(#[expect(dead_code, reason = "dropping it queues the process")] Woken),
    Other(Waker),
}

impl CallWaker {
    /// Returns the waker, and its address if it wakes a process of ours.
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

    /// Takes the caller out to be woken: the first step, under the lock of the call.
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
