//! How the process of a server handles a call, and answers it.

use std::any::{Any, type_name};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::behavior::Handle;
use super::call_cell::CallCell;
use super::context::Context;
use super::envelope::{CallEnvelope, Item, Next};
use super::message::{scope_of_handler, start_later};
use super::next_message::next;
use super::polling::{Boxed, HandlerSize, InPlace, Polling};
use super::reply::{Reply, Resolved};
use crate::exit::Exit;
use crate::inherited::InScope;
use crate::pid::Pid;
use crate::process::{ProcessReply, Recipient};

/// Holds a call while its message is handled. If this value is dropped before the call is taken out, the process is ending, and the exit of
/// the process is the answer.
struct HeldCall<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    cell: Option<Arc<CallCell<S, M>>>,
    /// The process that handles it.
    own: Pid,
}

impl<S, M> Drop for HeldCall<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            let server = cell.server.clone();
            server.0.mailbox.not_answered(self.own, Item::Call(cell));
        }
    }
}

impl<S, M> CallEnvelope<S> for CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn work<'a>(self: Arc<Self>, server: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, Next<S>> {
        if const { HandlerSize::<S, M>::IS_LARGE } {
            Box::pin(work::<S, M, Boxed>(self, server, ctx))
        } else {
            Box::pin(work::<S, M, InPlace>(self, server, ctx))
        }
    }

    fn fail(&self, exit: Exit) {
        self.answer_exit(exit);
    }

    fn is_given_up(&self) -> bool {
        self.is_gone()
    }

    fn name(&self) -> &'static str {
        type_name::<M>()
    }
}

fn of_same_type<S, M>(next: Arc<dyn CallEnvelope<S>>) -> Result<Arc<CallCell<S, M>>, Arc<dyn CallEnvelope<S>>>
where
    S: Handle<M>,
    M: Send + 'static,
{
    let of_type: &dyn Any = &*next;
    if !of_type.is::<CallCell<S, M>>() {
        return Err(next);
    }
    let next: Arc<dyn Any + Send + Sync> = next;
    Ok(next.downcast().expect("its type was just compared"))
}

/// Handles a call and those of the same type that follow it. Returns what follows them.
async fn work<S, M, P>(mut cell: Arc<CallCell<S, M>>, server: &mut S, ctx: &mut Context<S>) -> Next<S>
where
    S: Handle<M>,
    M: Send + 'static,
    P: Polling,
{
    loop {
        match cell.take_message() {
            Some((message, scope)) => match scope_of_handler(scope) {
                None => handle::<S, M, P>(cell, message, server, ctx).await,
                // Boxed, so that this future has room for one future of `handle`, and not for two.
                scope => Box::pin(InScope::new(scope, handle::<S, M, P>(cell, message, server, ctx))).await,
            },
            None => {
                ctx.server.0.mailbox.skip();
                drop(cell);
            }
        }
        ctx.timers.touch();
        cell = match next(ctx).await {
            Next::Mail(Item::Call(next)) => match of_same_type(next) {
                Ok(cell) => cell,
                Err(next) => return Next::Mail(Item::Call(next)),
            },
            next => return next,
        };
    }
}

/// Handles the message of a call, and answers it.
async fn handle<S, M, P>(cell: Arc<CallCell<S, M>>, message: M, server: &mut S, ctx: &mut Context<S>)
where
    S: Handle<M>,
    M: Send + 'static,
    P: Polling,
{
    let mut in_hand = HeldCall { cell: Some(cell), own: ctx.own };
    let reply = P::polled(|| server.handle(message, ctx)).await.resolve();
    let Some(cell) = &in_hand.cell else { unreachable!("taken only below") };
    match reply {
        Resolved::Now(value) => cell.answer(value),
        Resolved::Later(later) => {
            // Still in hand: starting a task runs the user's subscriber, which may panic.
            let call: Arc<dyn CallEnvelope<S>> = cell.clone();
            let task = start_later(ctx, later, LaterAnswer(cell.clone()), Some(Item::Call(call)));
            if let Some(task) = task {
                cell.set_later_task(task);
            }
        }
    }
    drop(in_hand.cell.take());
}

/// Answers a call with the result of a task.
struct LaterAnswer<S, M>(Arc<CallCell<S, M>>)
where
    S: Handle<M>;

impl<S, M> Recipient<<S::Reply as Reply>::Value> for LaterAnswer<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    type Output = ();

    fn receive(self, reply: ProcessReply<<S::Reply as Reply>::Value>) {
        match reply.take() {
            Ok(value) => self.0.answer(value),
            Err(exit) => self.0.answer_exit(exit),
        }
        self.0.server.0.laters.task_ended();
    }
}
