//! The handle on a task's output.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::executor::handle::Executor;
use crate::executor::wait_timeout::WaitTimeout;
use crate::table::Key;
use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::task_ref::TaskRef;
use crate::task::turns::drop_in_turn;
use crate::unwind;

/// The handle on a task's output, with a timeout for the wait. Dropping it detaches the task; the task continues to run.
///
/// In a forked process it must not be polled. Dropping it there leaks the task.
pub struct JoinHandle<T> {
    /// `None` once the output was taken.
    header: Option<Arc<Header<Runnable>>>,
    /// Keeps the executor alive, so that the task can still run and end.
    executor: Executor,
    take_output: fn(&mut Runnable, &mut Option<T>),
    timeout: WaitTimeout,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(
        header: Arc<Header<Runnable>>,
        executor: Executor,
        take_output: fn(&mut Runnable, &mut Option<T>),
    ) -> JoinHandle<T> {
        JoinHandle { header: Some(header), executor, take_output, timeout: WaitTimeout::NONE }
    }

    /// Returns the key of the task. `None` once the output was taken.
    pub fn key(&self) -> Option<Key> {
        self.header.as_ref().map(|header| header.key())
    }

    /// Returns the executor that runs the task.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Polls for the output, which is moved into `output`. A return value would be copied by each function on the way.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn poll_output(&mut self, cx: &mut Context<'_>, output: &mut Option<T>) -> Poll<()> {
        let header = self.header.as_ref().expect("polled again after it was ready");
        let mut task = std::task::ready!(header.join.poll_join(cx));
        // The reference is given back before the task is retired, because a header with other references may not be used again.
        task.keep_header(self.header.take());
        (self.take_output)(&mut task, output);
        assert!(output.is_some(), "the future is ready, and its output is taken once");
        task.retire_empty();
        Poll::Ready(())
    }

    /// Returns whether the task has finished.
    pub fn is_finished(&self) -> bool {
        self.header.as_ref().is_none_or(|header| header.join.is_finished())
    }

    /// Returns ready once `after` has passed since the first call, or since the first call after
    /// [`clear_timeout`](JoinHandle::clear_timeout). Never returns ready if that instant is beyond the range of the clock.
    ///
    /// `waiter` is the task that the calling thread polls, and the executor of that task, if `cx` belongs to that poll.
    /// If that executor also runs the task of the handle, a wait of a second or more costs much less, and is up to 20
    /// milliseconds longer, as in [`Executor::deadline`].
    pub fn poll_timeout(
        &mut self,
        after: Duration,
        waiter: Option<(&Executor, &TaskRef)>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.timeout.poll(&self.executor, after, waiter, cx)
    }

    /// Returns whether a timeout is counting, or has elapsed and was not cleared.
    #[inline]
    pub fn has_timeout(&self) -> bool {
        self.timeout.is_set()
    }

    /// Returns whether the wait has a timeout that is not the alarm of a task. Such a timeout holds the waker of the last poll, which the
    /// next poll may drop.
    #[inline]
    pub fn has_own_timeout(&self) -> bool {
        self.timeout.is_armed()
    }

    /// Disarms the timeout, because the wait is over or begins again. Does nothing in a forked process.
    pub fn clear_timeout(&mut self) {
        if !self.executor.is_forked() {
            self.timeout.clear(&self.executor);
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut output = None;
        std::task::ready!(self.poll_output(cx, &mut output));
        Poll::Ready(output.expect("moved there by `poll_output`"))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.header.is_none() && !self.timeout.is_armed() {
            return;
        }
        if self.executor.is_forked() {
            // Another thread may have held a lock of the task or of its timeout at the fork.
            std::mem::forget(self.header.take());
            return;
        }
        // A waker whose destructor panics must not keep the task in its slot.
        let _ = unwind::catch(|| self.clear_timeout());
        if let Some(task) = self.header.take().and_then(|header| header.join.detach()) {
            // The output may hold another handle, so a drop may nest deeply.
            drop_in_turn(|| task.retire());
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("key", &self.key()).field("is_finished", &self.is_finished()).finish()
    }
}
