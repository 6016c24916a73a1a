//! The process of a server, from its first poll to its end.
//!
//! ```text
//!  create the state ─► started ─► message ─► message ─► … ─► a request, `stop`, or a panic ─► stopping ─► the process ends
//!                        └ Err: failed to start
//! ```

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{Either, select};

use super::behavior::Server;
use super::context::Context;
use super::envelope::{Item, Next, Source};
use super::next_message::next;
use super::queue::Envelope;
use super::shared::{ServerRef, ServerShared};
use crate::exit::{Exit, Location};
use crate::process::{HeldValue, Shutdown, current, discard_in_place};
use crate::telemetry;
use crate::unwind::{self, Unwound};

/// A server that has started.
pub(super) struct Running<S: Server> {
    state: ServerState<S>,
    ctx: Context<S>,
}

/// The state of a server. It is boxed because it may be large, and this value is moved several times.
///
/// While a panic of a handler, or of the destructor of its future, unwinds, the destructor of the state may panic as well. This second
/// panic is caught, because it would abort the program.
struct ServerState<S>(Option<Box<S>>);

impl<S> ServerState<S> {
    fn get_mut(&mut self) -> &mut S {
        self.0.as_mut().expect("set until it is dropped")
    }
}

impl<S> Drop for ServerState<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            discard_in_place(&mut self.0);
        }
    }
}

/// Begins an incarnation in the current process. [`ServerShared::attach`] was called for this process before.
pub(super) async fn start<S: Server>(shared: Arc<ServerShared<S>>) -> Result<Running<S>, Exit> {
    let own = current().expect("a server is polled as a process");
    // Before the process opts in to graceful shutdown, so that a request to shut down ends this wait.
    let create = shared.take_create().await;
    let mut ctx = Context::new(ServerRef(shared.clone()), own);
    if let Some(trap_exits) = shared.options.trap_exits {
        trap_exits(&mut ctx);
    }
    let mut state = ServerState(Some(Box::new(create.create_state())));
    drop(shared);
    boxed(|| state.get_mut().started(&mut ctx)).await?;
    Ok(Running { state, ctx })
}

impl<S: Server> Running<S> {
    /// Handles messages until there is a reason to stop, and then runs `stopping`.
    pub(super) async fn serve(mut self) -> Result<(), Exit> {
        let ended = {
            let messages = pin!(self.messages());
            caught(messages).await
        };
        match ended {
            Ok(exit) => {
                self.ctx.server.0.mailbox.finish(self.ctx.own);
                // `HeldValue` catches a panic of the destructor of the exit, which may contain an error of the user: if `stopping`
                // panics, a second panic would abort the program.
                let mut exit = HeldValue::new(Some(exit));
                self.stopping(exit.get_mut().as_ref().expect("taken below")).await;
                Err(exit.get_mut().take().expect("set above"))
            }
            Err(Unwound::Checkpoint) => unwind::unwind_to_catch(),
            Err(Unwound::Panic(panic)) => {
                let own = self.ctx.own;
                let described = self.ctx.server.0.runtime.with(own, |entry| {
                    (entry.label().cloned(), Location::from(entry.spawned_at), entry.callers().to_vec())
                });
                let (label, spawned_at, callers) = described.unwrap_or_else(|| (None, Location::unknown(), Vec::new()));
                let exit = panic.to_exit(own, label, spawned_at, callers);
                let stopped = {
                    let stopping = pin!(self.stopping(&exit));
                    caught(stopping).await
                };
                match stopped {
                    Ok(()) => {}
                    Err(Unwound::Checkpoint) => unwind::unwind_to_catch(),
                    Err(Unwound::Panic(second)) => unwind::ignore_panic(|| telemetry::lost_panic(&second)),
                }
                unwind::resume(panic)
            }
        }
    }

    async fn messages(&mut self) -> Exit {
        let Running { state, ctx } = self;
        let state = state.get_mut();
        ctx.server.0.mailbox.with(|state| state.has_started = true);
        let mut next = next(ctx).await;
        loop {
            next = match next {
                Next::Mail(Item::Call(call)) => call.work(state, ctx).await,
                Next::Mail(Item::Cast(message)) => message.work(Source::Mailbox, state, ctx).await,
                Next::Other(item) => {
                    ctx.server.0.mailbox.take_in_hand(item.name());
                    match item {
                        Item::Cast(message) => message.work(Source::Other, state, ctx).await,
                        Item::Call(call) => call.work(state, ctx).await,
                    }
                }
                Next::Stop(exit) => return exit,
            };
        }
    }

    /// Runs `stopping` within the grace time of the process.
    async fn stopping(&mut self, exit: &Exit) {
        let Running { state, ctx } = self;
        let runtime = ctx.server.0.runtime.clone();
        let shutdown = runtime.with(ctx.own, |entry| entry.parent().map(|parent| parent.shutdown)).flatten();
        let grace = async {
            match shutdown.unwrap_or_default() {
                Shutdown::After(grace) => runtime.sleep(grace).await,
                Shutdown::BrutalKill => {}
                Shutdown::Infinity => std::future::pending().await,
            }
        };
        if let Either::Right(_) = select(boxed(|| state.get_mut().stopping(exit)), pin!(grace)).await {}
    }
}

/// Calls a method of the user, and boxes the future that it returns. Not inlined, so that this future, which may be large, takes no room in
/// the frame of the caller.
#[inline(never)]
fn boxed<F: Future>(method: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(method())
}

/// Polls a future until it is ready or unwinds.
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Unwound> {
    poll_fn(|cx| match unwind::catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(unwound) => Poll::Ready(Err(unwound)),
    })
    .await
}
