//! A message whose sender waits for no answer, and the handling that all messages share.

use std::any::{Any, type_name};
use std::future::poll_fn;
use std::mem::needs_drop;

use futures_util::future::BoxFuture;

use super::behavior::{Handle, Server};
use super::context::Context;
use super::envelope::{CastEnvelope, Item, Next, Source};
use super::lanes::Unboxed;
use super::next_message::{poll_next, take_other, take_turn};
use super::polling::{Boxed, HandlerSize, InPlace, Polling};
use super::queue::Envelope;
use super::reply::{Later, Reply, Resolved};
use super::shared::ServerRef;
use super::unanswered::exit_of_refused_later;
use crate::inherited::InScope;
use crate::pid::Pid;
use crate::process::{ProcessReply, Recipient, Scope, Spawn, current_scope, discard};

/// A message whose sender waits for no answer.
pub(super) struct Message<M> {
    pub(super) message: M,
    /// The scope in which it was sent, if it carries values.
    pub(super) scope: Option<Scope>,
}

impl<M> Message<M> {
    /// Makes an item of a message that carries no values.
    pub(super) fn item<S>(message: M) -> Item<S>
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        Message { message, scope: None }.into_envelope()
    }
}

impl<S, M> Unboxed<Item<S>> for Message<M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn name() -> &'static str {
        type_name::<M>()
    }

    fn into_envelope(self) -> Item<S> {
        Item::Cast(Box::new(self))
    }
}

impl<S, M> CastEnvelope<S> for Message<M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn work<'a>(self: Box<Self>, source: Source, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, Next<S>> {
        if const { HandlerSize::<S, M>::IS_LARGE } {
            Box::pin(work::<S, M, Boxed>(self, source, state, ctx))
        } else {
            Box::pin(work::<S, M, InPlace>(self, source, state, ctx))
        }
    }

    fn name(&self) -> &'static str {
        type_name::<M>()
    }
}

fn of_same_type<S: 'static, M: 'static>(
    next: Box<dyn CastEnvelope<S>>,
) -> Result<Message<M>, Box<dyn CastEnvelope<S>>> {
    let of_type: &dyn Any = &*next;
    if !of_type.is::<Message<M>>() {
        return Err(next);
    }
    let next: Box<dyn Any> = next;
    Ok(*next.downcast().expect("its type was just compared"))
}

/// Handles a message and those of the same type that follow it. Returns what follows them.
async fn work<S, M, P>(first: Box<Message<M>>, mut source: Source, state: &mut S, ctx: &mut Context<S>) -> Next<S>
where
    S: Handle<M>,
    M: Send + 'static,
    P: Polling,
{
    let mut next = Some(*first);
    loop {
        let Message { message, scope } = next.take().expect("set below");
        match scope_of_handler(scope) {
            None => handle::<S, M, P>(message, state, ctx).await,
            // Boxed, so that this future has room for one future of `handle`, and not for two.
            scope => Box::pin(InScope::new(scope, handle::<S, M, P>(message, state, ctx))).await,
        }
        if source == Source::Mailbox {
            ctx.timers.touch();
        }
        source = Source::Mailbox;
        // Two futures instead of one `async fn` that takes both references: that function would store the references in its future one by
        // one, and the move of the future would load them together, which stalls the processor.
        if take_turn(ctx).await && poll_fn(|cx| poll_next(ctx, cx, &mut next)).await {
            continue;
        }
        match take_other(ctx) {
            Next::Mail(Item::Cast(other)) => match of_same_type(other) {
                Ok(message) => next = Some(message),
                Err(other) => return Next::Mail(Item::Cast(other)),
            },
            other => return other,
        }
    }
}

/// Handles a message whose sender waits for no answer.
async fn handle<S, M, P>(message: M, state: &mut S, ctx: &mut Context<S>)
where
    S: Handle<M>,
    M: Send + 'static,
    P: Polling,
{
    match P::polled(|| state.handle(message, ctx)).await.resolve() {
        Resolved::Now(reply) if const { needs_drop::<<S::Reply as Reply>::Value>() } => discard(reply),
        Resolved::Now(_) => {}
        Resolved::Later(later) => _ = start_later(ctx, later, Ignored(ctx.server.clone()), None),
    }
}

/// Returns the scope in which a message is handled. `None` if the message carries no values: it is handled in the scope of the server.
#[inline]
pub(super) fn scope_of_handler(scope: Option<Scope>) -> Option<Scope> {
    scope.and_then(|scope| scope.in_server(current_scope().as_ref()))
}

/// Starts the task that answers later. `call` is answered if the server ends before the task.
pub(super) fn start_later<S, T, R>(ctx: &Context<S>, later: Later<T>, answer: R, call: Option<Item<S>>) -> Option<Pid>
where
    S: Server,
    T: Send + 'static,
    R: Recipient<T, Output = ()> + Send + 'static,
{
    let shared = &ctx.server.0;
    let started = Spawn::new(later.spawned_at).start_detached(&shared.runtime, later.future, answer);
    match started {
        Ok(task) => {
            shared.laters.add(ctx.own, task, call);
            Some(task)
        }
        Err(refusal) => {
            if let Some(call) = call {
                call.fail(&exit_of_refused_later(refusal));
            }
            None
        }
    }
}

/// Receives an answer that no caller waits for.
struct Ignored<S>(ServerRef<S>);

impl<S: Server, T> Recipient<T> for Ignored<S> {
    type Output = ();

    fn receive(self, reply: ProcessReply<T>) {
        drop(reply);
        self.0.0.laters.task_ended();
    }
}
