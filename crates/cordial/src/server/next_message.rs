//! Where the next message of a server comes from.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use cordial_sched::TaskRef;

use super::behavior::Server;
use super::context::{Context, Trap};
use super::envelope::{Item, Next};
use super::lanes::Unboxed;
use crate::exit::Exit;

/// The approximate maximum number of messages that are handled in one poll. After them, the process yields to others.
const MESSAGES_IN_A_POLL: u32 = 64;

/// The type `U` for a call of [`poll_next`] that takes every message as a boxed envelope. It has no values, because no message has this
/// type.
enum NoMessage {}

impl<S: 'static> Unboxed<Item<S>> for NoMessage {
    fn name() -> &'static str {
        "!"
    }

    fn into_envelope(self) -> Item<S> {
        match self {}
    }
}

/// Waits for the next message.
pub(super) async fn next<S: Server>(ctx: &mut Context<S>) -> Next<S> {
    if take_turn(ctx).await {
        poll_fn(|cx| poll_next::<S, NoMessage>(ctx, cx, &mut None)).await;
    }
    take_other(ctx)
}

/// Lets other processes run if this one has handled many messages. Returns false if the server stops: then [`take_other`] returns
/// [`Next::Stop`].
pub(super) async fn take_turn<S: Server>(ctx: &mut Context<S>) -> bool {
    if let Some(exit) = ctx.stop.take() {
        ctx.next = Some(Next::Stop(exit));
        return false;
    }
    if ctx.handled_in_poll == MESSAGES_IN_A_POLL {
        ctx.handled_in_poll = 0;
        tokio::task::yield_now().await;
    }
    ctx.handled_in_poll += 1;
    true
}

/// Returns what the server does next, after [`take_turn`] or [`poll_next`] has returned false: a message, or the end of the server.
pub(super) fn take_other<S>(ctx: &mut Context<S>) -> Next<S> {
    ctx.next.take().expect("set before false is returned")
}

/// Polls for the next message, after [`take_turn`] has returned true. Ready with true if the message is of type `U` and was sent without a
/// box: it is then in `unboxed`. Otherwise ready with false: [`take_other`] then returns a boxed message, or the end of the server.
///
/// The message is not returned but moved to `unboxed`, because each function that returned it would copy it.
#[inline(always)]
pub(super) fn poll_next<S, U>(ctx: &mut Context<S>, cx: &mut TaskContext<'_>, unboxed: &mut Option<U>) -> Poll<bool>
where
    S: Server,
    U: Unboxed<Item<S>>,
{
    if ctx.task.as_ref().is_some_and(TaskRef::is_ending) {
        // During this poll, the process was killed, or the exit of a linked process has ended it. It ends when this poll returns,
        // and leaves the queued messages to the next incarnation.
        return Poll::Pending;
    }
    if ctx.requested.is_given(cx) {
        let exit = if ctx.server.0.mailbox.is_stop_asked() { Exit::Normal } else { Exit::Shutdown(None) };
        ctx.next = Some(Next::Stop(exit));
        return Poll::Ready(false);
    }
    if ctx.server.0.awaits_request.load(Ordering::Relaxed) {
        // The server has called `stop`, and waits until its supervisor requests the shutdown. If the process ended now, the
        // supervisor might see this end before it is asked to stop the server, and restart the server.
        return Poll::Pending;
    }
    if ctx.timers.has_idle() && !ctx.server.0.mailbox.is_empty() {
        ctx.timers.touch();
    }
    // The mailbox on one side, and trapped exits and timers on the other, take turns, so that neither side starves.
    if !std::mem::take(&mut ctx.mail_is_next)
        && let Poll::Ready(item) = poll_other(ctx, cx)
    {
        ctx.mail_is_next = true;
        ctx.next = Some(Next::Other(item));
        return Poll::Ready(false);
    }
    match ctx.server.0.mailbox.poll_next(unboxed) {
        Poll::Ready(None) => Poll::Ready(true),
        Poll::Ready(Some(item)) => {
            ctx.next = Some(Next::Mail(item));
            Poll::Ready(false)
        }
        Poll::Pending => match poll_other(ctx, cx) {
            Poll::Ready(item) => {
                ctx.next = Some(Next::Other(item));
                Poll::Ready(false)
            }
            Poll::Pending => {
                ctx.handled_in_poll = 0;
                Poll::Pending
            }
        },
    }
}

/// Polls for the exits that the server traps, and for its timers.
#[inline]
fn poll_other<S: Server>(ctx: &mut Context<S>, cx: &mut TaskContext<'_>) -> Poll<Item<S>> {
    if let Some(Trap { exits, into_item }) = &mut ctx.exits
        && let Poll::Ready(Some((pid, exit))) = futures_core::Stream::poll_next(Pin::new(exits), cx)
    {
        return Poll::Ready(into_item(pid, exit));
    }
    ctx.timers.poll_due(cx)
}
