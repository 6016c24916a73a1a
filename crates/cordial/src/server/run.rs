//! The process of a server, from its first poll to its end.
//!
//! ```text
//!  create the state ─► started ─► message ─► message ─► … ─► a request, `stop`, or a panic ─► stopping ─► the process ends
//!                        └ Err: failed to start
//! ```

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_util::future::{Either, select};

use super::behavior::Server;
use super::context::{Context, Trap};
use super::envelope::Item;
use super::mailbox::Letter;
use super::shared::{ServerRef, Shared};
use crate::exit::{Exit, Location};
use crate::process::{Shutdown, ShutdownRequested, current, shutdown_requested};
use crate::telemetry;
use crate::unwind::{self, Unwound};

/// How many messages are handled in one poll. Then other processes get their turn.
const MESSAGES_IN_A_POLL: u32 = 64;

/// A server that has started.
pub(super) struct Running<S: Server> {
    state: S,
    ctx: Context<S>,
    requested: Requested,
}

/// The requests to shut down.
struct Requested {
    request: ShutdownRequested,
    is_armed: bool,
}

/// Where the next message comes from.
enum Next<S: Server> {
    Mail(Item<S>),
    /// A message that was not in the mailbox.
    Other(Item<S>),
    Stop(Exit),
}

/// Begins an incarnation in its process, which is attached.
pub(super) async fn start<S: Server>(shared: Arc<Shared<S>>) -> Result<Running<S>, Exit> {
    let own = current().expect("a server is polled as a process");
    let requested = Requested { request: shutdown_requested(), is_armed: false };
    let mut ctx = Context::new(ServerRef(shared.clone()), own);
    if let Some(trap_exits) = shared.options.trap_exits {
        trap_exits(&mut ctx);
    }
    let mut state = shared.create_state();
    drop(shared);
    state.started(&mut ctx).await?;
    Ok(Running { state, ctx, requested })
}

impl<S: Server> Running<S> {
    /// Handles messages until there is a reason to stop.
    pub(super) async fn serve(mut self) -> Result<(), Exit> {
        let ended = {
            let messages = pin!(self.messages());
            caught(messages).await
        };
        match ended {
            Ok(exit) => {
                self.ctx.server.0.mailbox.finish();
                self.stopping(&exit).await;
                Err(exit)
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
        let Running { state, ctx, requested } = self;
        let mut handled = 0;
        let mut mail_is_next = false;
        loop {
            if let Some(exit) = ctx.stop.take() {
                return exit;
            }
            if handled == MESSAGES_IN_A_POLL {
                handled = 0;
                tokio::task::yield_now().await;
            }
            handled += 1;
            let mut is_first_poll = true;
            let next = poll_fn(|cx| {
                if !std::mem::take(&mut is_first_poll) {
                    handled = 0;
                }
                poll_next(ctx, requested, &mut mail_is_next, cx)
            });
            match next.await {
                Next::Mail(Item::Call(call)) => {
                    let is_skipped = match call.handle(state, ctx) {
                        Some(handling) => {
                            handling.await;
                            false
                        }
                        None => true,
                    };
                    if is_skipped {
                        ctx.server.0.mailbox.skip();
                    }
                    ctx.timers.touch();
                }
                Next::Mail(Item::Cast(message)) => {
                    message.handle(state, ctx).await;
                    ctx.timers.touch();
                }
                Next::Other(item) => {
                    ctx.server.0.mailbox.take_in_hand(item.name());
                    if let Item::Cast(message) = item {
                        message.handle(state, ctx).await;
                    }
                }
                Next::Stop(exit) => return exit,
            }
        }
    }

    /// Runs `stopping` within the grace time of the process.
    async fn stopping(&mut self, exit: &Exit) {
        let Running { state, ctx, .. } = self;
        let runtime = ctx.server.0.runtime.clone();
        let shutdown = runtime.with(ctx.own, |entry| entry.parent().map(|parent| parent.shutdown)).flatten();
        let grace = async {
            match shutdown.unwrap_or_default() {
                Shutdown::After(grace) => runtime.sleep(grace).await,
                Shutdown::BrutalKill => {}
                Shutdown::Infinity => std::future::pending().await,
            }
        };
        if let Either::Right(_) = select(pin!(state.stopping(exit)), pin!(grace)).await {}
    }
}

/// Polls a future until it is ready or unwinds.
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Unwound> {
    poll_fn(|cx| match unwind::catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(unwound) => Poll::Ready(Err(unwound)),
    })
    .await
}

fn poll_next<S: Server>(
    ctx: &mut Context<S>,
    requested: &mut Requested,
    mail_is_next: &mut bool,
    cx: &mut TaskContext<'_>,
) -> Poll<Next<S>> {
    if requested.is_given(cx) {
        let exit = if ctx.server.0.mailbox.is_stop_asked() { Exit::Normal } else { Exit::Shutdown(None) };
        return Poll::Ready(Next::Stop(exit));
    }
    if ctx.timers.has_idle() && !ctx.server.0.mailbox.is_empty() {
        ctx.timers.touch();
    }
    // Messages of timers and the mailbox take turns, so that neither keeps the other waiting.
    if !std::mem::take(mail_is_next)
        && let Poll::Ready(item) = poll_other(ctx, cx)
    {
        *mail_is_next = true;
        return Poll::Ready(Next::Other(item));
    }
    if let Poll::Ready(item) = ctx.server.0.mailbox.poll_next(cx) {
        return Poll::Ready(Next::Mail(item));
    }
    let item = ready!(poll_other(ctx, cx));
    Poll::Ready(Next::Other(item))
}

/// Polls for the exits that the server traps, and for its timers.
fn poll_other<S: Server>(ctx: &mut Context<S>, cx: &mut TaskContext<'_>) -> Poll<Item<S>> {
    if let Some(Trap { exits, into_item }) = &mut ctx.exits
        && let Poll::Ready(Some((pid, exit))) = futures_core::Stream::poll_next(Pin::new(exits), cx)
    {
        return Poll::Ready(into_item(pid, exit));
    }
    ctx.timers.poll_due(cx)
}

impl Requested {
    /// Returns whether a request has come. Wakes the process when it comes.
    fn is_given(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if !self.is_armed {
            self.is_armed = true;
            return Pin::new(&mut self.request).poll(cx).is_ready();
        }
        self.request.is_given()
    }
}
