//! The timeout of one wait for the output of a task.
//!
//! ```text
//!             begins in the poll of a task, and is long ─► deadline: the alarm of the task wakes the task (`alarm.rs`)
//!  no timeout                                                │ polled elsewhere
//!             any other wait ──────────────────────────────► ▼ armed on its own
//! ```
//!
//! Most waits are of the first kind, which neither reads an exact clock nor takes a lock, unless the alarm has to be set.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::executor::handle::Executor;
use crate::task::task_ref::TaskRef;
use crate::timeout::ArmedTimeout;

/// The timeout of one wait. One word, because programs keep long lists of join handles: 0 if there is none, the number of an armed timeout,
/// or a deadline with `OF_TASK`.
pub(super) struct WaitTimeout(u64);

/// Marks a deadline at which the alarm of the waiting task wakes that task. The mark is the highest bit, which no deadline has before 292
/// years have passed. No armed timeout has it either: the upper half of its number is the number of a shard, and there
/// are only as many shards as workers.
const OF_TASK: u64 = 1 << 63;

impl WaitTimeout {
    pub(super) const NONE: WaitTimeout = WaitTimeout(0);

    /// Returns whether there is a timeout.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0 != 0
    }

    /// Returns whether a timeout is armed on its own, to be disarmed.
    #[inline]
    pub(super) fn is_armed(&self) -> bool {
        self.0 != 0 && self.0 & OF_TASK == 0
    }

    /// Returns ready once `after` has passed since the first call, or since the first call after [`clear`](WaitTimeout::clear). Never
    /// returns ready if that instant is beyond the range of the clock.
    ///
    /// `waiter` is the task that the calling thread polls, and the executor of that task, if `cx` belongs to that poll.
    pub(super) fn poll(
        &mut self,
        executor: &Executor,
        after: Duration,
        waiter: Option<(&Executor, &TaskRef)>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let task = waiter.filter(|(of, _)| of.is_same(executor)).map(|(_, task)| task);
        if self.0 == 0 {
            return self.begin(executor, after, task, cx);
        }
        if self.is_armed() {
            return executor.common().timeouts.poll(ArmedTimeout::from_bits(self.0), cx);
        }
        let deadline = executor.deadline_from_bits(self.0 & !OF_TASK);
        match task {
            Some(task) => executor.poll_deadline(task, deadline),
            // The wait began in a task of this executor, and is now polled outside of such a task.
            None => {
                self.0 = executor.common().timeouts.arm(deadline.time(), cx.waker().clone()).to_bits();
                Poll::Pending
            }
        }
    }

    fn begin(
        &mut self,
        executor: &Executor,
        after: Duration,
        task: Option<&TaskRef>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let nanoseconds = u64::try_from(after.as_nanos()).ok();
        let deadline = task.zip(nanoseconds).and_then(|(task, after)| executor.begin_long_wait(task, after));
        if let Some(deadline) = deadline.filter(|deadline| deadline & OF_TASK == 0) {
            self.0 = deadline | OF_TASK;
            return Poll::Pending;
        }
        if after.is_zero() {
            return Poll::Ready(());
        }
        if let Some(deadline) = executor.now().checked_add(after) {
            self.0 = executor.common().timeouts.arm(deadline, cx.waker().clone()).to_bits();
        }
        Poll::Pending
    }

    /// Disarms the timeout: the wait is over, or begins again. Must not be called in a forked process.
    pub(super) fn clear(&mut self, executor: &Executor) {
        let before = std::mem::replace(self, WaitTimeout::NONE);
        if before.is_armed() {
            executor.common().timeouts.disarm(ArmedTimeout::from_bits(before.0));
        }
    }
}
