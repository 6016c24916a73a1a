//! `Cast`: a message whose sender waits only for room in the mailbox.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use super::behavior::{Handle, Server};
use super::cycle;
use super::message::Message;
use super::room::Room;
use super::sending::{Accepted, NotSent, Sent, WhenFull};
use super::shared::{ServerRef, ServerShared, short_type_name};
use crate::exit::Exit;
use crate::process::{
    Scope, WaitLimit, capped, discard, ends_at_this_await, keep_spare_cast, may_send_in_this_poll, named_limit,
    quick_sender, sender, take_spare_cast,
};
use crate::timeout::Timeout;

/// A message whose sender waits for no answer, only for room in the mailbox. Created by [`ServerRef::cast`].
///
/// The message is sent when the future is first polled. `Ok` means that it is in the mailbox.
///
/// A process that has sent 64 messages in one poll lets other processes run before it sends the next one: then the future is
/// pending once, even if there is room. So the server keeps up with a process that casts in a loop.
///
/// # Cancel safety
///
/// Dropping the future while the message is not in the mailbox drops the message.
#[must_use = "a message is sent when the cast is awaited"]
pub struct Cast(
    /// `None` once the future was ready, or its process ends at this await. A box, so that `cast` returns it in registers.
    Option<Box<dyn AnyCast>>,
);

/// A cast whose types of server and message are erased.
trait AnyCast: Send {
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>>;
    fn set_limit(&mut self, limit: Timeout);
    fn is_sent(&self) -> bool;
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// A message, and the server that it is for.
struct CastOf<S: Server, M> {
    server: ServerRef<S>,
    /// Taken by the poll that sends it.
    message: Option<M>,
    /// `None` for the default of the runtime.
    limit: Option<Timeout>,
    /// Set while the message waits for room.
    waiting: Option<RoomWait>,
}

/// The wait of the message for room.
struct RoomWait {
    room: Arc<Room>,
    ticket: u64,
    wait_limit: WaitLimit,
}

impl Cast {
    pub(super) fn new<S, M>(server: &ServerRef<S>, message: M) -> Cast
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        if let Some(mut spare) = CastOf::<S, M>::spare()
            && Arc::ptr_eq(&spare.server.0, &server.0)
        {
            spare.message = Some(message);
            spare.limit = None;
            return Cast(Some(spare));
        }
        Cast(Some(Box::new(CastOf { server: server.clone(), message: Some(message), limit: None, waiting: None })))
    }

    /// Sets how long to wait for room, from the first poll. Default: 5 s, or the
    /// [`await_limit`](crate::process::Builder::await_limit) of the runtime. With a limit of zero, the message is not sent; with an
    /// `await_limit` of zero, it is sent if there is room.
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Cast {
        if let Some(pending) = &mut self.0 {
            pending.set_limit(limit.into());
        }
        self
    }
}

impl Future for Cast {
    type Output = Result<(), Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let Some(pending) = &mut self.0 else { return Poll::Ready(Err(Exit::NoProcess)) };
        let polled = pending.poll(cx);
        // `matches!` reads only the discriminant. A move would load the whole value right after a part of it was stored. Such a load waits
        // for all earlier stores, including the one that releases the lock of the mailbox, whose cache line another processor may have.
        if matches!(polled, Poll::Ready(Ok(()))) {
            if let Some(sent) = self.0.take() {
                keep_spare_cast(sent.into_any());
            }
            return Poll::Ready(Ok(()));
        }
        let result = ready!(polled);
        drop(self.0.take());
        if ends_at_this_await(cx) {
            _ = result.map_err(discard);
            return Poll::Pending;
        }
        Poll::Ready(result)
    }
}

impl fmt::Debug for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_sent = self.0.as_ref().is_none_or(|pending| pending.is_sent());
        f.debug_struct("Cast").field("is_sent", &is_sent).finish_non_exhaustive()
    }
}

impl<S, M> AnyCast for CastOf<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        if self.waiting.is_some() {
            return self.wait(cx);
        }
        // The usual case: the sender is a process of the runtime without an open scope, and the cast has the default limit.
        let (sent, scope) = if self.limit.is_none()
            && self.message.is_some()
            && let Some((sender, at)) = quick_sender(&self.server.0.runtime)
        {
            (Sent { at, sender: Some(sender) }, None)
        } else {
            ready!(self.poll_sender(cx))?
        };
        self.send(sent, scope, cx)
    }

    fn set_limit(&mut self, limit: Timeout) {
        self.limit = Some(limit);
    }

    fn is_sent(&self) -> bool {
        self.message.is_none()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl<S, M> CastOf<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    /// Returns the finished cast that this process has kept in its current poll for reuse, if that cast has the same types.
    #[inline]
    fn spare() -> Option<Box<CastOf<S, M>>> {
        match take_spare_cast()?.downcast() {
            Ok(spare) => Some(spare),
            Err(other) => {
                discard(other);
                None
            }
        }
    }

    /// Returns when and by whom the message is sent, and the scope that it carries. Pending if other processes run first.
    fn poll_sender(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(Sent, Option<Scope>), Exit>> {
        // This check comes first, because a thread of the parent process may have held the lock of the mailbox at the fork.
        if let Err(refusal) = self.server.0.runtime.refuse_forked() {
            discard(self.message.take());
            return Poll::Ready(Err(Exit::Refused(refusal)));
        }
        let mut sender = sender();
        if (self.limit.is_some() || sender.is_in_scope)
            && capped(self.limit.unwrap_or(Timeout::Infinity)) == Timeout::After(Duration::ZERO)
        {
            return Poll::Ready(Err(self.timed_out()));
        }
        if !may_send_in_this_poll() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (process, scope) = (sender.process, sender.carried.take());
        Poll::Ready(Ok((Sent { at: self.server.0.runtime.coarse_now(process), sender: process }, scope)))
    }

    #[inline(always)]
    fn send(&mut self, sent: Sent, scope: Option<Scope>, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let message = self.message.take().expect("the message is there until it is sent, and it is sent once");
        let (shared, process) = (&self.server.0, sent.sender);
        match shared.mailbox.send_unboxed(Message { message, scope }, sent, WhenFull::WaitForRoom) {
            Ok(Accepted::Queued) => Poll::Ready(Ok(())),
            Ok(Accepted::Waiting { ticket, is_first, room }) => {
                if is_first {
                    shared.emit_full(process, short_type_name::<M>());
                }
                let wait_limit = match capped(self.limit_or_default()) {
                    Timeout::After(limit) => WaitLimit::begin(limit, &shared.runtime, cx),
                    Timeout::Infinity => WaitLimit::Never,
                };
                self.waiting =
                    Some(RoomWait { room: room.expect("a cast that waits has a `Room`"), ticket, wait_limit });
                self.wait(cx)
            }
            Err((message, reason)) => {
                discard(message);
                Poll::Ready(Err(match reason {
                    NotSent::Stopped(exit) => exit,
                    NotSent::ToItself(in_hand) => cycle::to_itself(shared, in_hand, short_type_name::<M>()),
                    NotSent::Full => unreachable!("a cast waits for room"),
                }))
            }
        }
    }
}

impl<S: Server, M> CastOf<S, M> {
    /// Waits for room.
    fn wait(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let waiting = self.waiting.as_mut().expect("called only while the message waits");
        let shared = &self.server.0;
        if let Err(refusal) = shared.runtime.refuse_forked() {
            return Poll::Ready(Err(Exit::Refused(refusal)));
        }
        if let Poll::Ready(result) = waiting.room.poll(cx) {
            self.waiting = None;
            return Poll::Ready(result);
        }
        ready!(waiting.wait_limit.poll(&shared.runtime, cx));
        if !shared.withdraw(waiting.ticket) {
            // The message has just got room, or the server has just stopped: the thread that took the message reports that in a moment.
            waiting.wait_limit = WaitLimit::Never;
            let result = ready!(waiting.room.poll(cx));
            self.waiting = None;
            return Poll::Ready(result);
        }
        self.waiting = None;
        Poll::Ready(Err(self.timed_out()))
    }

    fn limit_or_default(&self) -> Timeout {
        self.limit.unwrap_or_else(|| self.server.0.runtime.await_limit().get())
    }

    fn timed_out(&self) -> Exit {
        let shared = &self.server.0;
        shared.timed_out(named_limit(self.limit_or_default()), shared.why_slow())
    }
}

/// Withdraws a message that waits, unless it has got room or has failed.
impl<S: Server, M> Drop for CastOf<S, M> {
    fn drop(&mut self) {
        let shared = &self.server.0;
        if let Some(waiting) = self.waiting.take()
            && !shared.runtime.is_forked()
        {
            shared.withdraw(waiting.ticket);
        }
    }
}

impl<S: Server> ServerShared<S> {
    /// Takes back a message that waits for room. Returns whether it was still waiting.
    fn withdraw(&self, ticket: u64) -> bool {
        let withdrawn = self.mailbox.withdraw(ticket);
        let was_waiting = withdrawn.is_some();
        if let Some(message) = withdrawn {
            discard(message);
        }
        was_waiting
    }
}

/// Why [`try_cast`](ServerRef::try_cast) has not sent a message, together with the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryCastError<M> {
    /// The mailbox is full, or other messages wait for room.
    Full(M),
    /// The server has stopped, and is not started again. Also in a forked process.
    Stopped(M),
}

impl<M> TryCastError<M> {
    /// Returns the message.
    pub fn into_message(self) -> M {
        match self {
            TryCastError::Full(message) | TryCastError::Stopped(message) => message,
        }
    }
}

impl<M> fmt::Display for TryCastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryCastError::Full(_) => {
                "the mailbox of the server is full; wait for room with `cast`, or make it larger with `mailbox`"
            }
            TryCastError::Stopped(_) => "the server has stopped, and is not started again; `ended` returns why",
        })
    }
}

/// Does not show the message.
impl<M> fmt::Debug for TryCastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryCastError::Full(_) => "Full(..)",
            TryCastError::Stopped(_) => "Stopped(..)",
        })
    }
}

impl<M> Error for TryCastError<M> {}
