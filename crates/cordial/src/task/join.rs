//! The join handle inside a [`Task`](crate::Task), through which the result of the process arrives.
//!
//! ```text
//!  Task<T> ──┬── ProcessJoin<T>                      after `spawn`: no allocation
//!            └── Box<dyn PollJoin<T>> ─┬─ OrExit ───────── after `or_exit`: the type of the process output is erased
//!                                      └─ UnboxedOutput ── after `spawn`, if the output is large
//! ```

use std::marker::PhantomData;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cordial_sched::JoinHandle;

use crate::exit::{Exit, IntoExit, Refusal};
use crate::pid::Pid;
use crate::process::{
    ProcessReply, RuntimeHandle, SpawnedTask, capped, is_forked, pid_of, unlink_from_caller, unlink_from_current,
    with_own_task,
};
use crate::timeout::Timeout;

/// A join handle whose result is a `T`, whatever the process itself returns.
pub(super) trait PollJoin<T>: Send + Sync {
    /// Polls for the result. Must not be called again after it returned `Ready`.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>>;

    fn control(&self) -> &dyn JoinControl;

    fn control_mut(&mut self) -> &mut dyn JoinControl;
}

/// The operations of a join handle that do not depend on the type of the result.
pub(super) trait JoinControl: Send + Sync {
    fn pid(&self) -> Pid;

    fn runtime(&self) -> RuntimeHandle;

    /// Returns whether a poll returns a result: it has arrived, or the program has forked.
    fn is_finished(&self) -> bool;

    /// Returns `Ready` once `limit` has elapsed since the first call, on the clock of the runtime. If the caller is in a scope whose
    /// deadline is earlier, returns `Ready` once that deadline has passed. If the caller has left that scope by then, `limit` counts
    /// again from this call.
    fn poll_timeout(&mut self, limit: Timeout, cx: &mut Context<'_>) -> Poll<()>;

    /// Stops the timeout. It counts again from the next call of `poll_timeout`.
    fn reset_timeout(&mut self);

    /// Removes the link that the spawn has made between the process and its spawner, and any link between the process and the calling
    /// process.
    fn unlink(&mut self);

    /// Lets the process run on when the join handle is dropped.
    fn detach(&mut self);
}

impl dyn JoinControl + '_ {
    /// Returns whether the process has left the process table. Its result may not have arrived yet.
    pub(super) fn has_exited(&self) -> bool {
        !self.runtime().is_alive(self.pid())
    }
}

/// What dropping a join handle does to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Dropping the join handle asks the process to shut down.
    Owned,
    /// The process runs on when the join handle is dropped.
    Detached,
}

/// The join handle of a process that returns a `T`.
#[derive(Debug)]
pub(super) struct ProcessJoin<T> {
    join: JoinHandle<ProcessReply<T>>,
    /// Whether the spawn linked the process to its spawner, and the link was not removed since.
    is_linked: bool,
    ownership: Ownership,
    /// Whether the armed timeout ends at the deadline of a scope, because that comes before the end of the limit.
    is_capped: bool,
}

impl<T> ProcessJoin<T> {
    pub(super) fn new(spawned: SpawnedTask<T>, ownership: Ownership) -> ProcessJoin<T> {
        let SpawnedTask { join, is_linked, .. } = spawned;
        ProcessJoin { join, is_linked, ownership, is_capped: false }
    }

    pub(super) fn reset_timeout(&mut self) {
        self.join.clear_timeout();
    }

    /// Polls for the reply, which is moved into `reply`; a return value would be copied by each function on the way. In a forked process,
    /// returns `Ready` without a reply: another thread may have held a lock of the task at the fork.
    #[inline]
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>, reply: &mut Option<ProcessReply<T>>) -> Poll<()> {
        if is_forked(&self.join) { Poll::Ready(()) } else { self.join.poll_output(cx, reply) }
    }

    /// Returns `Ready` once `timeout` has elapsed since the first call.
    fn poll_timeout_of(&mut self, timeout: Duration, cx: &mut Context<'_>) -> Poll<()> {
        // A timeout of the handle itself may drop a user waker, which must not happen while the task of the process is
        // borrowed.
        if self.join.has_own_timeout() {
            return self.join.poll_timeout(timeout, None, cx);
        }
        with_own_task(cx, |task, cx| self.join.poll_timeout(timeout, task, cx))
    }

    fn remove_link(&mut self) {
        let (runtime, pid) = (RuntimeHandle::of(&self.join), pid_of(&self.join));
        if std::mem::take(&mut self.is_linked) {
            unlink_from_caller(&runtime, pid);
        }
        unlink_from_current(&runtime, pid);
    }
}

impl<T: Send> PollJoin<T> for ProcessJoin<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        let mut reply = None;
        ready!(self.poll_reply(cx, &mut reply));
        Poll::Ready(reply.map_or(Err(Exit::Refused(Refusal::Forked)), ProcessReply::take))
    }

    fn control(&self) -> &dyn JoinControl {
        self
    }

    fn control_mut(&mut self) -> &mut dyn JoinControl {
        self
    }
}

impl<T: Send> JoinControl for ProcessJoin<T> {
    fn pid(&self) -> Pid {
        pid_of(&self.join)
    }

    fn runtime(&self) -> RuntimeHandle {
        RuntimeHandle::of(&self.join)
    }

    fn is_finished(&self) -> bool {
        is_forked(&self.join) || self.join.is_finished()
    }

    fn poll_timeout(&mut self, limit: Timeout, cx: &mut Context<'_>) -> Poll<()> {
        let capped_limit = capped(limit);
        let Timeout::After(timeout) = capped_limit else { return Poll::Pending };
        if !self.join.has_timeout() {
            self.is_capped = capped_limit != limit;
        }
        ready!(self.poll_timeout_of(timeout, cx));
        if !self.is_capped || timeout.is_zero() {
            return Poll::Ready(());
        }
        self.is_capped = capped_limit != limit;
        self.join.clear_timeout();
        self.poll_timeout_of(timeout, cx)
    }

    fn reset_timeout(&mut self) {
        ProcessJoin::reset_timeout(self);
    }

    fn unlink(&mut self) {
        self.remove_link();
    }

    fn detach(&mut self) {
        self.ownership = Ownership::Detached;
    }
}

impl<T> Drop for ProcessJoin<T> {
    /// Asks an owned process to shut down, unless its result has arrived. Removes the link first, so that the exit of the process
    /// ends neither its spawner nor the calling process.
    fn drop(&mut self) {
        if self.join.is_finished() || is_forked(&self.join) {
            return;
        }
        if self.ownership == Ownership::Owned {
            self.remove_link();
            RuntimeHandle::of(&self.join).request_shutdown(pid_of(&self.join));
        }
    }
}

/// A join handle that turns an inner `Err` into an exit.
pub(super) struct OrExit<J, E> {
    join: J,
    error: PhantomData<fn() -> E>,
}

impl<J, E> OrExit<J, E> {
    pub(super) fn new(join: J) -> OrExit<J, E> {
        OrExit { join, error: PhantomData }
    }
}

impl<J, U, E> PollJoin<U> for OrExit<J, E>
where
    J: PollJoin<Result<U, E>>,
    E: IntoExit,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<U, Exit>> {
        self.join.poll(cx).map(flatten)
    }

    fn control(&self) -> &dyn JoinControl {
        self.join.control()
    }

    fn control_mut(&mut self) -> &mut dyn JoinControl {
        self.join.control_mut()
    }
}

/// Turns an inner `Err` into an exit.
pub(crate) fn flatten<U, E>(result: Result<Result<U, E>, Exit>) -> Result<U, Exit>
where
    E: IntoExit,
{
    result.and_then(|value| value.map_err(|error| Exit::from(error.into_boxed())))
}

impl<T> PollJoin<T> for Box<dyn PollJoin<T>> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        (**self).poll(cx)
    }

    fn control(&self) -> &dyn JoinControl {
        (**self).control()
    }

    fn control_mut(&mut self) -> &mut dyn JoinControl {
        (**self).control_mut()
    }
}
