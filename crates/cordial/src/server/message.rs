//! A message that is sent without a way back, and the handling that such messages share.

use std::any::{Any, type_name};

use futures_util::future::BoxFuture;

use super::behavior::{Handle, Server};
use super::context::Context;
use super::envelope::{CastEnvelope, Item};
use super::mailbox::Letter;
use super::reply::{Later, Reply, Resolved};
use super::shared::ServerRef;
use crate::exit::Exit;
use crate::inherited::InScope;
use crate::pid::Pid;
use crate::process::{Recipient, Scope, Spawn, current_scope};

/// A message alone.
pub(super) struct Message<M>(pub(super) M);

impl<M> Message<M> {
    pub(super) fn item<S>(message: M) -> Item<S>
    where
        S: Handle<M>,
        M: Send + 'static,
    {
        Item::Cast(Box::new(Message(message)))
    }
}

impl<S, M> CastEnvelope<S> for Message<M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn handle<'a>(self: Box<Self>, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, ()> {
        handle_cast(self.0, None, state, ctx)
    }

    fn name(&self) -> &'static str {
        type_name::<M>()
    }
}

/// Handles a message whose sender waits for no answer, and which was sent in this scope.
pub(super) fn handle_cast<'a, S, M>(
    message: M,
    scope: Option<Scope>,
    state: &'a mut S,
    ctx: &'a mut Context<S>,
) -> BoxFuture<'a, ()>
where
    S: Handle<M>,
    M: Send + 'static,
{
    boxed_in(scope, async move {
        match state.handle(message, ctx).await.resolve() {
            Resolved::Now(reply) => drop(reply),
            Resolved::Later(later) => _ = start_later(&ctx.server, later, Ignored, None),
        }
    })
}

/// Boxes the future of a handler, which runs in the scope of the message if that carries values.
pub(super) fn boxed_in<'a>(scope: Option<Scope>, handling: impl Future<Output = ()> + Send + 'a) -> BoxFuture<'a, ()> {
    match scope.and_then(|scope| scope.in_server(current_scope().as_ref())) {
        None => Box::pin(handling),
        scope => Box::pin(InScope::new(scope, handling)),
    }
}

/// Starts the task that answers later. `call` is answered if the server ends before the task.
pub(super) fn start_later<S, T, R>(
    server: &ServerRef<S>,
    later: Later<T>,
    answer: R,
    call: Option<Item<S>>,
) -> Option<Pid>
where
    S: Server,
    T: Send + 'static,
    R: Recipient<T, Output = ()> + Send + 'static,
{
    let shared = &server.0;
    let own = shared.mailbox.with(|state| state.pid);
    let started = Spawn::new(later.spawned_at).start_detached(&shared.runtime, later.future, answer);
    match started {
        Ok(task) => {
            shared.laters.add(own, task, call);
            Some(task)
        }
        Err(refusal) => {
            if let Some(call) = call {
                call.fail(&Exit::Refused(refusal));
            }
            None
        }
    }
}

/// Receives an answer that no caller waits for.
struct Ignored;

impl<T> Recipient<T> for Ignored {
    type Output = ();

    fn receive(self, _: crate::process::Reply<T>) {}
}
