//! The state of a call, which its future and the mailbox share.
//!
//! ```text
//!  Unsent ─ first poll ─► Sent ─ the server takes it ─► InHand ─ the handler returns ─► Answered ─► taken by the future
//!                          │                              │  └─ returns a `Later` ─► Later ──▲
//!                          └── limit, or the future is dropped ──► Gone: the server skips it, or drops the answer
//! ```
//!
//! In the code, `Unsent` and `Sent` are one phase, `Pending`. The future distinguishes them by `progress`, which it reads without the lock.
//!
//! A call in `Sent`, `InHand` or `Later` is answered with an exit if its message will not be handled, if its handler ends without a
//! reply, or if the task of its `Later` ends without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use cordial_sched::SpinLock;

use super::behavior::Handle;
use super::call_waker::CallWaker;
use super::cycle;
use super::envelope::Item;
use super::reply::Reply;
use super::sending::{Accepted, NotSent, Sent, WhenFull};
use super::shared::{ServerRef, short_type_name};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{
    Scope, Sender, WaitLimit, begin_long_wait, capped, discard, discard_in_turn, ends_at_this_await, keep_spare_call,
    named_limit, own_waker_address, sender, take_spare_call,
};
use crate::timeout::{CompactTimeout, Timeout};

/// A call, with the types of its server and its message erased.
pub(super) trait AnyCall<R>: Send + Sync {
    fn limit(&self) -> Timeout;
    fn set_limit(&self, limit: Timeout);
    fn is_sent(&self) -> bool;
    /// Polls the call. The future has taken `self` from `holder`. `poll` puts `self` back there, or keeps it for the next call.
    fn poll(
        self: Arc<Self>,
        holder: &mut Option<Arc<dyn AnyCall<R>>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<R, Exit>>;
    /// Gives the call up, if it was sent and its answer was not taken.
    fn give_up(&self);
}

/// The state of a call, which its future and the mailbox share.
pub(super) struct CallCell<S, M>
where
    S: Handle<M>,
{
    pub(super) server: ServerRef<S>,
    /// A `CompactTimeout`. Only the future of the call uses this field and the next three, so their accesses are relaxed.
    limit: AtomicU64,
    progress: AtomicU8,
    /// The `WaitLimit` as a number, if it needs no timer. Otherwise 0, and the `WaitLimit` is in `state`.
    wait_limit: AtomicU64,
    /// The address of the data of `state.waker`, if that waker is a [`CallWaker::Process`]. Otherwise 0.
    waker_address: AtomicUsize,
    /// Not locked while user code runs, such as a destructor or a waker.
    state: SpinLock<CallState<M, <S::Reply as Reply>::Value>>,
}

struct CallState<M, R> {
    phase: Phase,
    /// Set while the phase is `Pending`.
    message: Option<M>,
    /// Set while the phase is `Answered`, if the answer is a value.
    value: Option<R>,
    /// Set while the phase is `Answered`, if the answer is an exit.
    exit: Option<Exit>,
    waker: CallWaker,
    /// The scope in which the message was sent, if it carries values.
    scope: Option<Scope>,
    wait_limit: WaitLimit,
    /// The number that withdraws the message while it waits for room. `None` if it did not have to wait.
    ticket: Option<u64>,
}

/// The progress of the future of a call.
const UNSENT: u8 = 0;
const SENT: u8 = 1;
const READY: u8 = 2;

/// The phase of a call. It contains neither the message nor the answer, so that replacing it copies little.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The message was not sent yet, waits for room, or is in the mailbox.
    Pending,
    InHand,
    /// A task answers the call.
    Later(Pid),
    Answered,
    /// The answer was taken, or the call was given up.
    Gone,
}

impl<S, M> CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    pub(super) fn new(server: ServerRef<S>, limit: u64, message: M) -> CallCell<S, M> {
        let state = CallState {
            phase: Phase::Pending,
            message: Some(message),
            value: None,
            exit: None,
            waker: CallWaker::None,
            scope: None,
            wait_limit: WaitLimit::Never,
            ticket: None,
        };
        CallCell {
            server,
            limit: AtomicU64::new(limit),
            progress: AtomicU8::new(UNSENT),
            wait_limit: AtomicU64::new(0),
            waker_address: AtomicUsize::new(0),
            state: SpinLock::new(state),
        }
    }

    /// Returns a finished call of the same types, which this process has kept for reuse during its current poll. `None` if there is none.
    #[inline]
    pub(super) fn spare() -> Option<Arc<CallCell<S, M>>> {
        match take_spare_call()?.downcast() {
            Ok(spare) => Some(spare),
            Err(other) => {
                discard(other);
                None
            }
        }
    }

    /// Prepares this call for the next message. The call was answered with a value, and no other thread refers to it. The waker stays.
    #[inline]
    pub(super) fn renew(&self, limit: u64, message: M) {
        self.limit.store(limit, Ordering::Relaxed);
        self.progress.store(UNSENT, Ordering::Relaxed);
        // The last limit is dropped after the lock was released: it may hold a timer with a waker, and dropping a waker may run user code.
        let _last_limit = {
            let mut state = self.state.lock();
            state.phase = Phase::Pending;
            state.message = Some(message);
            state.scope = None;
            state.ticket = None;
            std::mem::replace(&mut state.wait_limit, WaitLimit::Never)
        };
    }

    /// Answers the call with a value, unless it was answered before or given up.
    #[inline]
    pub(super) fn answer(&self, value: <S::Reply as Reply>::Value) {
        // The value is moved only once, straight into the cell. A second move would load the value as a whole right after its parts were
        // stored, which stalls the processor.
        let woken = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::InHand | Phase::Later(_) => {
                    state.phase = Phase::Answered;
                    state.value = Some(value);
                    state.waker.take_woken()
                }
                Phase::Pending | Phase::Gone | Phase::Answered => {
                    drop(state);
                    return discard(value);
                }
            }
        };
        woken.wake();
    }

    /// Answers the call with an exit, unless it was answered before or given up.
    pub(super) fn answer_exit(&self, exit: Exit) {
        let (woken, message) = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Gone | Phase::Answered => {
                    drop(state);
                    return discard(exit);
                }
                Phase::Pending | Phase::InHand | Phase::Later(_) => {
                    state.phase = Phase::Answered;
                    state.exit = Some(exit);
                    (state.waker.take_woken(), state.message.take())
                }
            }
        };
        if let Some(message) = message {
            discard(message);
        }
        woken.wake();
    }
}

impl<S, M> AnyCall<<S::Reply as Reply>::Value> for CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    fn limit(&self) -> Timeout {
        CompactTimeout::from_bits(self.limit.load(Ordering::Relaxed)).get()
    }

    fn set_limit(&self, limit: Timeout) {
        self.limit.store(CompactTimeout::from(limit).to_bits(), Ordering::Relaxed);
    }

    fn is_sent(&self) -> bool {
        self.progress.load(Ordering::Relaxed) != UNSENT
    }

    fn poll(
        self: Arc<Self>,
        holder: &mut Option<Arc<dyn AnyCall<<S::Reply as Reply>::Value>>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        if self.progress.load(Ordering::Relaxed) == UNSENT {
            let envelope = self.clone();
            let polled = self.send(envelope, cx);
            *holder = Some(self);
            return polled;
        }
        // `take_value` is inlined: if it were not, its result would be copied once more.
        let answered = self.take_value();
        match answered {
            Some(value) => {
                keep_spare_call(self);
                Poll::Ready(Ok(value))
            }
            None => {
                let polled = self.poll_unanswered(cx);
                *holder = Some(self);
                polled
            }
        }
    }

    fn give_up(&self) {
        if self.progress.load(Ordering::Relaxed) == SENT {
            // The answer may hold a call, whose answer may hold another one, and so on: nested drops could overflow the stack.
            discard_in_turn(self.take_answer());
        }
    }
}

impl<S, M> CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    /// Begins the wait, and sends the message. `envelope` is a second reference to this call, which goes to the mailbox.
    #[inline]
    fn send(
        &self,
        envelope: Arc<CallCell<S, M>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        // The usual case: the calling process has no open scope, and the limit is a second or more.
        let Some(wait) = begin_long_wait(cx, self.limit.load(Ordering::Relaxed), &self.server.0.runtime) else {
            return self.send_after_checks(envelope, cx);
        };
        self.wait_limit.store(wait.until, Ordering::Relaxed);
        if self.waker_address.load(Ordering::Relaxed) != wait.waker {
            self.begin_wait(None, None, cx);
        }
        self.send_at(Sent { at: wait.now, sender: Some(wait.process) }, envelope, cx)
    }

    /// Does the same as [`send`](CallCell::send), also for a caller outside of a process or in a scope, and for a limit below a second.
    #[inline(never)]
    fn send_after_checks(
        &self,
        envelope: Arc<CallCell<S, M>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        let shared = &self.server.0;
        // This check comes first, because a thread of the parent process may have held the lock of the mailbox at the fork.
        if let Err(refusal) = shared.runtime.refuse_forked() {
            return self.fail_at(Exit::Refused(refusal), cx);
        }
        let Sender { process: sender, carried, .. } = sender();
        let wait_limit = match capped(self.limit()) {
            Timeout::After(Duration::ZERO) => return self.fail_at(self.timed_out(Phase::Pending), cx),
            Timeout::After(limit) => WaitLimit::begin(limit, &shared.runtime, cx),
            Timeout::Infinity => WaitLimit::Never,
        };
        let bits = wait_limit.to_bits(&shared.runtime);
        self.wait_limit.store(bits.unwrap_or(0), Ordering::Relaxed);
        self.begin_wait(if bits.is_none() { Some(wait_limit) } else { None }, carried, cx);
        self.send_at(Sent { at: shared.runtime.coarse_now(sender), sender }, envelope, cx)
    }

    #[inline(always)]
    fn send_at(
        &self,
        sent: Sent,
        envelope: Arc<CallCell<S, M>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        let (shared, sender) = (&self.server.0, sent.sender);
        self.progress.store(SENT, Ordering::Relaxed);
        let exit = match shared.mailbox.send(Item::Call(envelope), sent, WhenFull::Wait) {
            Ok(Accepted::Queued) => return Poll::Pending,
            Ok(Accepted::Waiting { ticket, is_first, .. }) => {
                self.state.lock().ticket = Some(ticket);
                if is_first {
                    shared.emit_full(sender, short_type_name::<M>());
                }
                return Poll::Pending;
            }
            Err((_, NotSent::Stopped(exit))) => exit,
            Err((_, NotSent::ToItself(in_hand))) => cycle::to_itself(shared, in_hand, short_type_name::<M>()),
            Err((_, NotSent::Full)) => unreachable!("a call waits for room"),
        };
        self.fail_at(exit, cx)
    }

    /// Takes the value, if the call was answered with one.
    #[inline(always)]
    fn take_value(&self) -> Option<<S::Reply as Reply>::Value> {
        if self.server.0.runtime.is_forked() {
            return None;
        }
        let mut state = self.state.lock();
        if state.phase != Phase::Answered || state.value.is_none() {
            return None;
        }
        state.phase = Phase::Gone;
        self.progress.store(READY, Ordering::Relaxed);
        state.value.take()
    }

    /// Polls a call whose message was sent and whose answer is not a value: takes an exit, if there is one, or waits.
    #[cold]
    fn poll_unanswered(&self, cx: &mut TaskContext<'_>) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        if let Err(refusal) = self.server.0.runtime.refuse_forked() {
            return self.fail_at(Exit::Refused(refusal), cx);
        }
        let exit = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Answered if state.exit.is_some() => {
                    state.phase = Phase::Gone;
                    state.exit.take()
                }
                _ => None,
            }
        };
        match exit {
            Some(exit) => self.fail_at(exit, cx),
            None => self.wait(cx),
        }
    }

    /// Records the waker of the caller, the scope of the message, and the limit, if the limit needs a timer.
    #[inline]
    fn begin_wait(&self, wait_limit: Option<WaitLimit>, scope: Option<Scope>, cx: &TaskContext<'_>) {
        // A renewed call may still have the waker of the process.
        let is_known = own_waker_address(cx) == Some(self.waker_address.load(Ordering::Relaxed));
        if is_known && wait_limit.is_none() && scope.is_none() {
            return;
        }
        let (waker, address) = CallWaker::of(cx);
        self.waker_address.store(address, Ordering::Relaxed);
        let _replaced = {
            let mut state = self.state.lock();
            state.scope = scope;
            if let Some(wait_limit) = wait_limit {
                state.wait_limit = wait_limit;
            }
            std::mem::replace(&mut state.waker, waker)
        };
    }

    /// Continues to wait for the answer.
    #[cold]
    fn wait(&self, cx: &mut TaskContext<'_>) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        if self.progress.load(Ordering::Relaxed) == READY {
            return Poll::Ready(Err(Exit::NoProcess));
        }
        // Outside of the lock, the waker is cloned, and the replaced waker and the limit are dropped. Each of these may run user code, because
        // the timer of a limit has a waker, too.
        let (waker, address) = CallWaker::of(cx);
        let (_replaced, mut wait_limit) = {
            let mut state = self.state.lock();
            if state.phase == Phase::Answered {
                drop(state);
                return self.answered_meanwhile(cx);
            }
            self.waker_address.store(address, Ordering::Relaxed);
            let wait_limit = std::mem::replace(&mut state.wait_limit, WaitLimit::Never);
            (std::mem::replace(&mut state.waker, waker), wait_limit)
        };
        let bits = self.wait_limit.swap(0, Ordering::Relaxed);
        if bits != 0 {
            wait_limit = WaitLimit::from_bits(bits, &self.server.0.runtime);
        }
        if wait_limit.poll(&self.server.0.runtime, cx).is_pending() {
            self.state.lock().wait_limit = wait_limit;
            return Poll::Pending;
        }
        // A call whose answer has arrived returns it, even if the limit has passed.
        let phase = self.state.lock().phase;
        match self.take_answer() {
            Some(Ok(value)) => {
                self.progress.store(READY, Ordering::Relaxed);
                Poll::Ready(Ok(value))
            }
            Some(Err(exit)) => self.fail_at(exit, cx),
            None => self.fail_at(self.timed_out(phase), cx),
        }
    }

    /// Takes the answer, which has arrived since the poll began.
    #[cold]
    fn answered_meanwhile(&self, cx: &mut TaskContext<'_>) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        match self.take_value() {
            Some(value) => Poll::Ready(Ok(value)),
            None => self.poll_unanswered(cx),
        }
    }

    /// Makes the future ready with `exit`, unless the process that polls it ends at this await.
    #[cold]
    fn fail_at(&self, exit: Exit, cx: &TaskContext<'_>) -> Poll<Result<<S::Reply as Reply>::Value, Exit>> {
        self.progress.store(READY, Ordering::Relaxed);
        if ends_at_this_await(cx) {
            discard(exit);
            return Poll::Pending;
        }
        Poll::Ready(Err(exit))
    }

    /// Gives the call up. Returns the answer, if it has arrived.
    fn take_answer(&self) -> Option<Result<<S::Reply as Reply>::Value, Exit>> {
        let runtime = &self.server.0.runtime;
        if runtime.is_forked() {
            // The server exists only in the parent process, where a thread may have held the lock at the fork.
            return None;
        }
        self.waker_address.store(0, Ordering::Relaxed);
        let (last, value, exit, unused, (message, scope), ticket) = {
            let mut state = self.state.lock();
            let state = &mut *state;
            let last = std::mem::replace(&mut state.phase, Phase::Gone);
            let (value, exit) = (state.value.take(), state.exit.take());
            // Everything is taken out of the cell now, because the mailbox keeps the cell until it skips the call.
            let wait_limit = std::mem::replace(&mut state.wait_limit, WaitLimit::Never);
            let given = (state.message.take(), state.scope.take());
            (last, value, exit, (state.waker.take(), wait_limit), given, state.ticket.take())
        };
        drop(unused);
        if let Some(message) = message {
            discard(message);
        }
        if let Some(scope) = scope {
            discard(scope);
        }
        if let Some(ticket) = ticket {
            drop(self.server.0.mailbox.withdraw(ticket));
        }
        if let Phase::Later(task) = last {
            runtime.request_shutdown(task);
        }
        value.map(Ok).or(exit.map(Err))
    }

    /// Returns the exit of a call that was in this phase when its limit passed.
    fn timed_out(&self, phase: Phase) -> Exit {
        let shared = &self.server.0;
        let limit = named_limit(self.limit());
        cycle::emit(&shared.runtime, shared.mailbox.with(|state| state.pid));
        let message = short_type_name::<M>();
        let state = match phase {
            Phase::InHand => Some(format!("the server was handling this message, `{message}`")),
            Phase::Later(task) => {
                let spawned_at = shared.runtime.with(task, |entry| format!(", spawned at {}", entry.spawned_at));
                let spawned_at = spawned_at.unwrap_or_default();
                Some(format!(
                    "the server had handled this message, `{message}`, but its `reply_later` (process {task}{spawned_at}) had not replied yet"
                ))
            }
            Phase::Pending | Phase::Answered | Phase::Gone => shared.why_slow(),
        };
        shared.timed_out(limit, state)
    }
}

impl<S, M> CallCell<S, M>
where
    S: Handle<M>,
    M: Send + 'static,
{
    /// Returns whether the caller has given the call up, or has taken its answer.
    pub(super) fn is_gone(&self) -> bool {
        self.state.lock().phase == Phase::Gone
    }

    /// Takes the message, to handle it. `None` if the caller has given the call up, or if the call was answered with an exit.
    pub(super) fn take_message(&self) -> Option<(M, Option<Scope>)> {
        let mut state = self.state.lock();
        if state.phase != Phase::Pending {
            return None;
        }
        state.phase = Phase::InHand;
        Some((state.message.take()?, state.scope.take()))
    }

    /// Records the task that answers the call. If the caller has given the call up, asks the task to shut down.
    pub(super) fn set_later_task(&self, task: Pid) {
        let is_gone = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::InHand => {
                    state.phase = Phase::Later(task);
                    false
                }
                // The caller has given the call up, or has taken the answer. In the second case, the task has ended, and the request has no
                // effect.
                Phase::Gone => true,
                _ => false,
            }
        };
        if is_gone {
            self.server.0.runtime.request_shutdown(task);
        }
    }
}
