//! `Cast`: a message whose sender waits only for room in the mailbox.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use cordial_sched::Timer;
use futures_util::future::BoxFuture;

use super::behavior::{Handle, Server};
use super::context::Context;
use super::cycle;
use super::envelope::{CastEnvelope, Item};
use super::mailbox::{NotSent, Sent, WhenFull};
use super::message::handle_cast;
use super::room::Room;
use super::shared::{ServerRef, short_type_name};
use crate::exit::{Exit, Refusal, TimedOut};
use crate::process::{self, Scope, capped, current_scope, discard, ends_at_this_await, named_limit};
use crate::task::timed_out;
use crate::timeout::Timeout;

/// A message whose sender waits only for room in the mailbox. Created by [`ServerRef::cast`].
///
/// The message is sent when the future is polled first. `Ok` means that it is in the mailbox.
///
/// # Cancel safety
///
/// Dropping the future while it waits for room drops the message.
#[must_use = "a message is sent when the cast is awaited"]
pub struct Cast {
    state: CastState,
    /// `None` for the default of the runtime.
    limit: Option<Timeout>,
    timer: Option<Timer>,
}

enum CastState {
    Unsent(Box<dyn Unsent>),
    Waiting { room: Arc<Room>, ticket: u64, server: Arc<dyn Target> },
    Done,
}

/// A message that was not sent, whatever its type.
trait Unsent: Send {
    fn send(self: Box<Self>) -> Attempt;
    fn target(&self) -> Arc<dyn Target>;
}

enum Attempt {
    Queued,
    Waiting(u64, Arc<Room>, Arc<dyn Target>),
    Failed(Exit),
}

/// The server that a message is for.
trait Target: Send + Sync {
    /// Returns whether the message was still waiting.
    fn withdraw(&self, ticket: u64) -> bool;
    fn refuse_forked(&self) -> Result<(), Refusal>;
    fn default_limit(&self) -> Timeout;
    fn timer(&self, limit: Duration) -> Option<Timer>;
    fn timed_out(&self, limit: Duration) -> Exit;
}

/// A message, and the server that it is for until it is sent.
struct CastMessage<S: Server, M> {
    server: Option<ServerRef<S>>,
    message: M,
    /// The scope in which it was sent, if it carries values.
    scope: Option<Scope>,
}

impl Cast {
    pub(super) fn new<S, M>(server: ServerRef<S>, message: M) -> Cast
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        let unsent = Box::new(CastMessage { server: Some(server), message, scope: None });
        Cast { state: CastState::Unsent(unsent), limit: None, timer: None }
    }

    /// Sets how long to wait for room, from the first poll. Default: 5 s, or the
    /// [`await_limit`](crate::process::Builder::await_limit) of the runtime. With zero, the message is not sent.
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Cast {
        self.limit = Some(limit.into());
        self
    }

    fn start(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let CastState::Unsent(unsent) = std::mem::replace(&mut self.state, CastState::Done) else {
            return Poll::Ready(Err(Exit::NoProcess));
        };
        if capped(self.limit.unwrap_or(Timeout::Infinity)) == Timeout::After(Duration::ZERO) {
            let server = unsent.target();
            let limit = self.limit.unwrap_or_else(|| server.default_limit());
            return Poll::Ready(Err(server.timed_out(named_limit(limit))));
        }
        match unsent.send() {
            Attempt::Queued => Poll::Ready(Ok(())),
            Attempt::Failed(exit) => Poll::Ready(Err(exit)),
            Attempt::Waiting(ticket, room, server) => {
                let limit = self.limit.unwrap_or_else(|| server.default_limit());
                self.limit = Some(limit);
                if let Timeout::After(limit) = capped(limit) {
                    self.timer = server.timer(limit);
                }
                self.state = CastState::Waiting { room, ticket, server };
                self.wait(cx)
            }
        }
    }

    fn wait(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let CastState::Waiting { room, ticket, server } = &self.state else {
            return Poll::Ready(Err(Exit::NoProcess));
        };
        if let Err(refusal) = server.refuse_forked() {
            self.state = CastState::Done;
            return Poll::Ready(Err(Exit::Refused(refusal)));
        }
        if let Poll::Ready(result) = room.poll(cx) {
            self.state = CastState::Done;
            return Poll::Ready(result);
        }
        let (Some(timer), Some(limit)) = (&mut self.timer, self.limit) else { return Poll::Pending };
        if Pin::new(timer).poll(cx).is_pending() {
            return Poll::Pending;
        }
        if !server.withdraw(*ticket) {
            // It got room, or was answered, just now.
            return room.poll(cx);
        }
        let exit = server.timed_out(named_limit(limit));
        self.state = CastState::Done;
        Poll::Ready(Err(exit))
    }
}

impl Future for Cast {
    type Output = Result<(), Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<(), Exit>> {
        let this = &mut *self;
        let polled = match this.state {
            CastState::Unsent(_) => this.start(cx),
            CastState::Waiting { .. } | CastState::Done => this.wait(cx),
        };
        match polled {
            Poll::Ready(Err(exit)) if ends_at_this_await(cx) => {
                discard(exit);
                Poll::Pending
            }
            polled => polled,
        }
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        if let CastState::Waiting { ticket, server, .. } = &self.state
            && server.refuse_forked().is_ok()
        {
            server.withdraw(*ticket);
        }
    }
}

impl fmt::Debug for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_sent = !matches!(self.state, CastState::Unsent(_));
        f.debug_struct("Cast").field("is_sent", &is_sent).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<S, M> Unsent for CastMessage<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn send(mut self: Box<Self>) -> Attempt {
        let server = self.server.take().expect("a message is sent once");
        self.scope = current_scope().filter(Scope::is_carried);
        let shared = &server.0;
        if let Err(refusal) = shared.runtime.refuse_forked() {
            discard(self);
            return Attempt::Failed(Exit::Refused(refusal));
        }
        let now = shared.runtime.executor().coarse_now();
        let sender = process::current();
        match shared.mailbox.send(Item::Cast(self), sender, now, WhenFull::WaitForRoom) {
            Ok(Sent::Queued) => Attempt::Queued,
            Ok(Sent::Waiting { ticket, is_first, room }) => {
                if is_first {
                    shared.emit_full(sender, short_type_name::<M>());
                }
                Attempt::Waiting(ticket, room.unwrap_or_default(), Arc::new(server))
            }
            Err(NotSent::Stopped(message, exit)) => {
                discard(message);
                Attempt::Failed(exit)
            }
            Err(NotSent::ToItself(message, in_hand)) => {
                discard(message);
                Attempt::Failed(cycle::to_itself(shared, in_hand, short_type_name::<M>()))
            }
            Err(NotSent::Full(_)) => unreachable!("a cast waits for room"),
        }
    }

    fn target(&self) -> Arc<dyn Target> {
        Arc::new(self.server.clone().expect("the message was not sent"))
    }
}

impl<S, M> CastEnvelope<S> for CastMessage<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn handle<'a>(self: Box<Self>, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, ()> {
        handle_cast(self.message, self.scope, state, ctx)
    }

    fn name(&self) -> &'static str {
        type_name::<M>()
    }
}

impl<S: Server> Target for ServerRef<S> {
    fn withdraw(&self, ticket: u64) -> bool {
        let withdrawn = self.0.mailbox.withdraw(ticket);
        let was_waiting = withdrawn.is_some();
        if let Some(message) = withdrawn {
            discard(message);
        }
        was_waiting
    }

    fn refuse_forked(&self) -> Result<(), Refusal> {
        self.0.runtime.refuse_forked()
    }

    fn default_limit(&self) -> Timeout {
        self.0.runtime.await_limit().get()
    }

    fn timer(&self, limit: Duration) -> Option<Timer> {
        self.0.runtime.executor().timer(limit)
    }

    fn timed_out(&self, limit: Duration) -> Exit {
        let pid = self.0.mailbox.with(|state| state.pid);
        let known = timed_out(&self.0.runtime, pid, limit);
        Exit::Timeout(known.unwrap_or_else(|| TimedOut::new(limit, pid, self.0.options.label.clone(), None)))
    }
}

/// Why [`try_cast`](ServerRef::try_cast) has not sent a message, which comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryCastError<M> {
    /// The mailbox is full, or others wait for room.
    Full(M),
    /// The server has stopped, and is not started again.
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
