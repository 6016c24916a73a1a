//! `Call`: a message whose sender waits for the answer. `call_cell` has the state that a `Call` shares with the mailbox.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::behavior::Handle;
use super::call_cell::{AnyCall, CallCell};
use super::reply::Reply;
use super::shared::ServerRef;
use crate::exit::Exit;
use crate::timeout::Timeout;

/// A message whose sender waits for the answer. Created by [`ServerRef::call`].
///
/// The message is sent when the future is first polled.
///
/// # Cancel safety
///
/// Dropping the future gives the call up. A message that waits for room is withdrawn, and one that is in the mailbox is skipped. The answer
/// to a message that is being handled is dropped, and the task of a [`Later`](crate::server::Later) is asked to shut down. `&mut call` can
/// be awaited in `select!`.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<R>(
    /// `None` during a poll, and usually after the poll that returns a value: the cell is then kept for the next call.
    Option<Arc<dyn AnyCall<R>>>,
);

impl<R: Send + 'static> Call<R> {
    pub(super) fn new<S, M>(server: &ServerRef<S>, message: M) -> Call<R>
    where
        S: Handle<M>,
        S::Reply: Reply<Value = R>,
        M: Send + 'static,
    {
        let limit = server.0.runtime.await_limit().to_bits();
        // One reference: the server has dropped its own, and no other can be made.
        if let Some(spare) = CallCell::<S, M>::spare()
            && Arc::strong_count(&spare) == 1
            && Arc::ptr_eq(&spare.server.0, &server.0)
        {
            spare.renew(limit, message);
            return Call(Some(spare));
        }
        Call(Some(Arc::new(CallCell::new(server.clone(), limit, message))))
    }

    /// Sets how long the call may take, from its first poll: the waits for room and in the mailbox, and the handler. Default: 5 s,
    /// or the [`await_limit`](crate::process::Builder::await_limit) of the runtime. With zero, the message is not sent.
    ///
    /// A limit of a second or more may pass up to 20 ms late on Linux, because an exact clock would make each call a tenth slower.
    pub fn timeout(self, limit: impl Into<Timeout>) -> Call<R> {
        if let Some(pending) = &self.0 {
            pending.set_limit(limit.into());
        }
        self
    }
}

impl<R> Unpin for Call<R> {}

impl<R> Future for Call<R> {
    type Output = Result<R, Exit>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, Exit>> {
        let Some(pending) = self.0.take() else { return Poll::Ready(Err(Exit::NoProcess)) };
        pending.poll(&mut self.0, cx)
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        if let Some(pending) = &self.0 {
            pending.give_up();
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_sent = self.0.as_ref().is_none_or(|pending| pending.is_sent());
        let limit = self.0.as_ref().map(|pending| pending.limit());
        f.debug_struct("Call").field("is_sent", &is_sent).field("limit", &limit).finish_non_exhaustive()
    }
}
