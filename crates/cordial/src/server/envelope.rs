//! A message with the way back to its sender, whatever its type.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::context::Context;
use super::mailbox::Letter;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::discard;

/// A message in the mailbox of a server.
pub(super) enum Item<S> {
    Call(Arc<dyn CallEnvelope<S>>),
    Cast(Box<dyn CastEnvelope<S>>),
}

/// A message whose sender waits for the answer.
pub(super) trait CallEnvelope<S>: Send + Sync {
    /// Handles the message. `None` if the caller has given up.
    fn handle<'a>(self: Arc<Self>, state: &'a mut S, ctx: &'a mut Context<S>) -> Option<BoxFuture<'a, ()>>;

    /// Answers the call, unless it was answered before.
    fn fail(&self, exit: Exit);

    fn name(&self) -> &'static str;

    fn caller(&self) -> Option<Pid>;
}

/// A message whose sender waits for no answer.
pub(super) trait CastEnvelope<S>: Send {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;

    fn handle<'a>(self: Box<Self>, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, ()>;

    fn name(&self) -> &'static str;
}

impl<S> Letter for Item<S> {
    fn fail(self, exit: &Exit) {
        match self {
            Item::Call(call) => call.fail(exit.clone()),
            Item::Cast(message) => discard(message),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Item::Call(call) => call.name(),
            Item::Cast(message) => message.name(),
        }
    }

    fn caller(&self) -> Option<Pid> {
        match self {
            Item::Call(call) => call.caller(),
            Item::Cast(_) => None,
        }
    }
}
