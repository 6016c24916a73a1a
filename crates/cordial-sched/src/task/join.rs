//! The claim on a task's output.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::timeout::Place;
use crate::{Executor, Key};

/// The claim on a task's output, and the limit of the wait for it. Dropping it lets the task run on.
pub struct JoinHandle<T> {
    /// `None` once the output was taken.
    header: Option<&'static Header>,
    executor: Executor,
    take_output: fn(&mut Runnable) -> Option<T>,
    limit: Option<Place>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(
        header: &'static Header,
        executor: Executor,
        take_output: fn(&mut Runnable) -> Option<T>,
    ) -> JoinHandle<T> {
        JoinHandle { header: Some(header), executor, take_output, limit: None }
    }

    /// The key of the task; `None` once the output was taken.
    pub fn key(&self) -> Option<Key> {
        self.header.map(Header::key)
    }

    /// The executor that runs the task.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Whether the output is there, or was taken.
    pub fn is_finished(&self) -> bool {
        self.header.is_none_or(Header::is_done)
    }

    /// Ready once `after` has passed since the first call, or since [`forget_limit`](JoinHandle::forget_limit). Never, if
    /// that is later than any clock will see.
    pub fn poll_limit(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(place) = self.limit {
            return self.executor().limits().poll(place, cx);
        }
        if after.is_zero() {
            return Poll::Ready(());
        }
        let executor = self.executor();
        let deadline = executor.now().checked_add(after);
        self.limit = deadline.map(|deadline| executor.limits().arm(deadline, cx.waker().clone()));
        Poll::Pending
    }

    /// The wait is over, or begins anew.
    pub fn forget_limit(&mut self) {
        if let Some(place) = self.limit.take() {
            self.executor().limits().disarm(place);
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let header = self.header.expect("polled again after it was ready");
        let mut task = std::task::ready!(header.poll_join(cx));
        self.header = None;
        let output = (self.take_output)(&mut task);
        task.retire();
        Poll::Ready(output.expect("put there by the last poll"))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.forget_limit();
        if let Some(header) = self.header.take() {
            header.abandon();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("key", &self.key()).field("is_finished", &self.is_finished()).finish()
    }
}
