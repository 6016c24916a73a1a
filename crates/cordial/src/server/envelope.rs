//! Messages whose type is erased. Only the envelope knows the type of its message, so it also handles the message.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::context::Context;
use super::queue::Envelope;
use crate::exit::Exit;
use crate::process::discard;

/// A message of a server in its envelope. In the mailbox, calls are in envelopes, and so are casts that are not in a lane (see `lanes`).
pub(super) enum Item<S> {
    Call(Arc<dyn CallEnvelope<S>>),
    Cast(Box<dyn CastEnvelope<S>>),
}

/// What a server does next.
pub(super) enum Next<S> {
    Mail(Item<S>),
    /// A message that was not in the mailbox.
    Other(Item<S>),
    Stop(Exit),
}

/// Where a message was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Mailbox,
    Other,
}

/// A message whose sender waits for the answer.
pub(super) trait CallEnvelope<S>: Any + Send + Sync {
    /// Handles the message, unless the caller has given up. Then handles the messages that follow, as long as they are calls of the
    /// same type, so that they all share one boxed future. Returns what the server does next.
    fn work<'a>(self: Arc<Self>, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, Next<S>>;

    /// Answers the call with an exit, unless it was answered before or given up.
    fn fail(&self, exit: Exit);

    /// Returns whether the caller has given the call up.
    fn is_given_up(&self) -> bool;

    fn name(&self) -> &'static str;
}

/// A message whose sender waits for no answer.
pub(super) trait CastEnvelope<S>: Any + Send {
    /// Handles the message. Then handles the messages that follow, as long as they are casts of the same type, so that they all share one
    /// boxed future. Returns what the server does next.
    fn work<'a>(self: Box<Self>, source: Source, state: &'a mut S, ctx: &'a mut Context<S>) -> BoxFuture<'a, Next<S>>;

    fn name(&self) -> &'static str;
}

impl<S: 'static> Envelope for Item<S> {
    fn fail(self, exit: &Exit) {
        match self {
            Item::Call(call) => call.fail(exit.clone()),
            Item::Cast(message) => discard(message),
        }
    }

    fn is_cast(&self) -> bool {
        matches!(self, Item::Cast(_))
    }

    fn is_given_up(&self) -> bool {
        match self {
            Item::Call(call) => call.is_given_up(),
            Item::Cast(_) => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Item::Call(call) => call.name(),
            Item::Cast(message) => message.name(),
        }
    }
}
