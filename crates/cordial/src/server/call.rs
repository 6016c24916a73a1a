//! `Call`: a message whose sender waits for the answer.
//!
//! ```text
//!  Unsent ─ first poll ─► Sent ─ the server takes it ─► InHand ─ the handler returns ─► Answered ─► taken by the future
//!                          │                              │  └─ returns a `Later` ─► Later ──▲
//!                          └── limit, or the future is dropped ──► Gone: the server skips it, or drops the answer
//! ```

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use cordial_sched::Timer;
use futures_util::future::BoxFuture;

use super::behavior::Handle;
use super::context::Context;
use super::cycle;
use super::envelope::{CallEnvelope, Item};
use super::mailbox::{NotSent, Sent, WhenFull};
use super::message::{boxed_in, start_later};
use super::reply::{Reply, Resolved};
use super::shared::{ServerRef, short_type_name};
use crate::exit::{Exit, TimedOut};
use crate::pid::Pid;
use crate::process::{self, Recipient, Scope, capped, current_scope, discard, ends_at_this_await, named_limit};
use crate::task::timed_out;
use crate::timeout::Timeout;
use crate::unwind;

/// A message whose sender waits for the answer. Created by [`ServerRef::call`].
///
/// The message is sent when the future is polled first. Dropping the future gives the call up: a message that is still in the
/// mailbox is skipped, and the answer to one that is being handled is dropped.
///
/// # Cancel safety
///
/// Dropping the future gives the call up. `&mut call` can be awaited in `select!`.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<R> {
    /// `None` once it was ready.
    cell: Option<Arc<dyn Pending<R>>>,
    limit: Timeout,
    is_sent: bool,
    timer: Option<Timer>,
}

/// A call, whatever the types of its server and its message are.
trait Pending<R>: Send + Sync {
    /// Sends the message, and returns the call.
    fn send(self: Arc<Self>, waker: &Waker) -> Result<Arc<dyn Pending<R>>, Exit>;
    fn poll(&self, cx: &TaskContext<'_>) -> Poll<Result<R, Exit>>;
    /// Gives the call up. Returns its answer, if that has arrived.
    fn give_up(&self) -> Option<Result<R, Exit>>;
    fn timer(&self, limit: Duration) -> Option<Timer>;
    fn timed_out(&self, limit: Duration) -> Exit;
}

/// The state of a call, which its future and the mailbox share.
struct CallCell<S, M>
where
    S: Handle<M>,
{
    server: ServerRef<S>,
    state: Mutex<State<M, <S::Reply as Reply>::Value>>,
}

struct State<M, R> {
    phase: Phase<M, R>,
    waker: Option<Waker>,
    caller: Option<Pid>,
    /// The scope in which the handler runs, if the message carries values.
    scope: Option<Scope>,
    /// Set while the message waits for room.
    ticket: Option<u64>,
}

enum Phase<M, R> {
    Unsent(M),
    Sent(M),
    InHand,
    /// A task answers the call.
    Later(Pid),
    Answered(Result<R, Exit>),
    /// Answered and taken, or given up.
    Gone,
}

impl<R: Send + 'static> Call<R> {
    pub(super) fn new<S, M>(server: ServerRef<S>, message: M) -> Call<R>
    where
        S: Handle<M>,
        S::Reply: Reply<Value = R>,
        M: Send + 'static,
    {
        let limit = server.0.runtime.await_limit().get();
        let state = State { phase: Phase::Unsent(message), waker: None, caller: None, scope: None, ticket: None };
        Call { cell: Some(Arc::new(CallCell { server, state: Mutex::new(state) })), limit, is_sent: false, timer: None }
    }

    /// Sets how long the call may take, from its first poll: the waits for room and in the mailbox, and the handler. Default: 5 s,
    /// or the [`await_limit`](crate::process::Builder::await_limit) of the runtime. With zero, the message is not sent.
    pub fn timeout(mut self, limit: impl Into<Timeout>) -> Call<R> {
        self.limit = limit.into();
        self
    }
}

impl<R> Unpin for Call<R> {}

impl<R> Future for Call<R> {
    type Output = Result<R, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<R, Exit>> {
        let this = &mut *self;
        let Some(cell) = this.cell.take() else { return Poll::Ready(Err(Exit::NoProcess)) };
        let result = if this.is_sent {
            match cell.poll(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    if this.timer.as_mut().is_none_or(|timer| Pin::new(timer).poll(cx).is_pending()) {
                        this.cell = Some(cell);
                        return Poll::Pending;
                    }
                    let limit = named_limit(this.limit);
                    // An answer that has arrived never times out.
                    cell.give_up().unwrap_or_else(|| Err(cell.timed_out(limit)))
                }
            }
        } else {
            match capped(this.limit) {
                Timeout::After(Duration::ZERO) => Err(cell.timed_out(named_limit(this.limit))),
                limit => match cell.send(cx.waker()) {
                    Err(exit) => Err(exit),
                    Ok(cell) => {
                        this.is_sent = true;
                        if let Timeout::After(limit) = limit
                            && let Some(timer) = cell.timer(limit)
                        {
                            // The first poll arms it.
                            _ = Pin::new(this.timer.insert(timer)).poll(cx);
                        }
                        this.cell = Some(cell);
                        return Poll::Pending;
                    }
                },
            }
        };
        if let Err(exit) = result {
            if ends_at_this_await(cx) {
                discard(exit);
                return Poll::Pending;
            }
            return Poll::Ready(Err(exit));
        }
        Poll::Ready(result)
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take()
            && self.is_sent
        {
            drop(cell.give_up());
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("is_sent", &self.is_sent).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<S, M> CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn lock(&self) -> MutexGuard<'_, State<M, <S::Reply as Reply>::Value>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the call, unless it was answered before or given up.
    fn answer(&self, result: Result<<S::Reply as Reply>::Value, Exit>) {
        let (waker, unused) = {
            let mut state = self.lock();
            match state.phase {
                Phase::Gone | Phase::Answered(_) => (None, Some(Phase::Answered(result))),
                Phase::Unsent(_) | Phase::Sent(_) | Phase::InHand | Phase::Later(_) => {
                    let last = std::mem::replace(&mut state.phase, Phase::Answered(result));
                    (state.waker.take(), matches!(last, Phase::Sent(_) | Phase::Unsent(_)).then_some(last))
                }
            }
        };
        if unused.is_some() {
            discard(unused);
        }
        if let Some(waker) = waker {
            unwind::ignore_panic(|| waker.wake());
        }
    }
}

impl<S, M> Pending<<S::Reply as Reply>::Value> for CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn send(self: Arc<Self>, waker: &Waker) -> Result<Arc<dyn Pending<<S::Reply as Reply>::Value>>, Exit> {
        let caller = process::current();
        {
            let mut state = self.lock();
            state.caller = caller;
            state.scope = current_scope().filter(Scope::is_carried);
            state.waker = Some(waker.clone());
            let Phase::Unsent(message) = std::mem::replace(&mut state.phase, Phase::Gone) else {
                unreachable!("a call is sent once")
            };
            state.phase = Phase::Sent(message);
        }
        let shared = &self.server.0;
        shared.runtime.refuse_forked().map_err(Exit::Refused)?;
        let now = shared.runtime.executor().coarse_now();
        match shared.mailbox.send(Item::Call(self.clone()), caller, now, WhenFull::Wait) {
            Ok(Sent::Queued) => Ok(self),
            Ok(Sent::Waiting { ticket, is_first, .. }) => {
                self.lock().ticket = Some(ticket);
                if is_first {
                    shared.emit_full(caller, short_type_name::<M>());
                }
                Ok(self)
            }
            Err(NotSent::Stopped(_, exit)) => Err(exit),
            Err(NotSent::ToItself(_, in_hand)) => Err(cycle::to_itself(shared, in_hand, short_type_name::<M>())),
            Err(NotSent::Full(_)) => unreachable!("a call waits for room"),
        }
    }

    fn poll(&self, cx: &TaskContext<'_>) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        if let Err(refusal) = self.server.0.runtime.refuse_forked() {
            return Poll::Ready(Err(Exit::Refused(refusal)));
        }
        let _replaced = {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Answered(_)) {
                let Phase::Answered(result) = std::mem::replace(&mut state.phase, Phase::Gone) else {
                    unreachable!("just matched")
                };
                return Poll::Ready(result);
            }
            if state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            drop(state);
            // Cloned and dropped outside of the lock, because a waker may run code of the user.
            let waker = cx.waker().clone();
            let mut state = self.lock();
            if matches!(state.phase, Phase::Answered(_)) {
                drop(state);
                return self.poll(cx);
            }
            state.waker.replace(waker)
        };
        Poll::Pending
    }

    fn give_up(&self) -> Option<Result<<S::Reply as Reply>::Value, Exit>> {
        if self.server.0.runtime.is_forked() {
            // The server has stayed in the parent process, and may have held the lock at the fork.
            return None;
        }
        let (last, waker, ticket) = {
            let mut state = self.lock();
            (std::mem::replace(&mut state.phase, Phase::Gone), state.waker.take(), state.ticket.take())
        };
        drop(waker);
        if let Some(ticket) = ticket {
            drop(self.server.0.mailbox.withdraw(ticket));
        }
        match last {
            Phase::Answered(result) => Some(result),
            Phase::Later(task) => {
                self.server.0.runtime.request_shutdown(task);
                None
            }
            Phase::Sent(_) | Phase::Unsent(_) | Phase::InHand | Phase::Gone => None,
        }
    }

    fn timer(&self, limit: Duration) -> Option<Timer> {
        self.server.0.runtime.executor().timer(limit)
    }

    fn timed_out(&self, limit: Duration) -> Exit {
        let shared = &self.server.0;
        let pid = shared.mailbox.with(|state| state.pid);
        cycle::emit(&shared.runtime, pid);
        let known = timed_out(&shared.runtime, pid, limit);
        Exit::Timeout(known.unwrap_or_else(|| TimedOut::new(limit, pid, shared.options.label.clone(), None)))
    }
}

/// Holds a call while its message is handled. If it is dropped without an answer, the process ends, and its exit is the answer.
struct InHand<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    cell: Option<Arc<CallCell<S, M>>>,
}

impl<S, M> Drop for InHand<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            let server = cell.server.clone();
            server.0.mailbox.not_answered(Item::Call(cell));
        }
    }
}

impl<S, M> CallEnvelope<S> for CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn handle<'a>(self: Arc<Self>, server: &'a mut S, ctx: &'a mut Context<S>) -> Option<BoxFuture<'a, ()>> {
        let (message, scope) = {
            let mut state = self.lock();
            match std::mem::replace(&mut state.phase, Phase::InHand) {
                Phase::Sent(message) => (message, state.scope.take()),
                gone => {
                    state.phase = gone;
                    return None;
                }
            }
        };
        let handling = async move {
            let mut in_hand = InHand { cell: Some(self) };
            let reply = server.handle(message, ctx).await;
            let cell = in_hand.cell.take().expect("taken only here");
            match reply.resolve() {
                Resolved::Now(value) => cell.answer(Ok(value)),
                Resolved::Later(later) => {
                    let call: Arc<dyn CallEnvelope<S>> = cell.clone();
                    let task = start_later(&ctx.server, later, LaterAnswer(cell.clone()), Some(Item::Call(call)));
                    if let Some(task) = task {
                        cell.is_answered_by(task);
                    }
                }
            }
        };
        Some(boxed_in(scope, handling))
    }

    fn fail(&self, exit: Exit) {
        self.answer(Err(exit));
    }

    fn name(&self) -> &'static str {
        type_name::<M>()
    }

    fn caller(&self) -> Option<Pid> {
        self.lock().caller
    }
}

impl<S, M> CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    /// Records the task that answers. If the caller has given up, the task is asked to shut down.
    fn is_answered_by(&self, task: Pid) {
        let is_gone = {
            let mut state = self.lock();
            match state.phase {
                Phase::InHand => {
                    state.phase = Phase::Later(task);
                    false
                }
                // Also if the answer was taken already: then the task has ended, and the request has no effect.
                Phase::Gone => true,
                _ => false,
            }
        };
        if is_gone {
            self.server.0.runtime.request_shutdown(task);
        }
    }
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

    fn receive(self, reply: process::Reply<<S::Reply as Reply>::Value>) {
        self.0.answer(reply.take());
    }
}
