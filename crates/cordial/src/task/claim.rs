//! The claim on a process and its answer: what is inside a [`Task`](super::Task) while the process runs.

use std::error::Error;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial_sched::JoinHandle;

use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Handle, Reply, Spawned, SpawnedTask, pid_of, unlink_from_caller};

/// A process whose answer is a `T`, or can be made one.
pub(super) trait Source<T>: Send + Sync {
    /// The answer. Must not be polled again after it was ready.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>>;

    /// Whether the answer is there.
    fn is_finished(&self) -> bool;

    fn pid(&self) -> Pid;

    fn runtime(&self) -> Handle;

    /// Ready once so long has passed since the first call, on the clock of the runtime.
    fn poll_limit(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()>;

    /// The limit counts from the next call.
    fn forget_limit(&mut self);

    /// Removes the link that the spawn made, if it made one.
    fn unlink(&mut self);

    /// Lets the process run on when this is dropped.
    fn disown(&mut self);
}

/// Whether a handle owns its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    Owned,
    /// It runs on when the handle is given up.
    Free,
}

/// The claim on a process. Dropping it asks the process to shut down.
#[derive(Debug)]
pub(super) struct Claim<T> {
    join: JoinHandle<Reply<T>>,
    /// Whether it is linked to whoever spawned it.
    is_linked: bool,
    tenure: Tenure,
}

impl<T> Claim<T> {
    pub(super) fn new(spawned: SpawnedTask<T>, tenure: Tenure) -> Claim<T> {
        let Spawned { join, is_linked, .. } = spawned;
        Claim { join, is_linked, tenure }
    }

    /// The limit counts from the next poll.
    pub(super) fn forget_limit(&mut self) {
        self.join.forget_limit();
    }

    fn remove_link(&mut self) {
        if std::mem::take(&mut self.is_linked) {
            unlink_from_caller(&Handle::of(&self.join), pid_of(&self.join));
        }
    }
}

impl<T: Send> Source<T> for Claim<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        Pin::new(&mut self.join).poll(cx).map(Reply::take)
    }

    fn is_finished(&self) -> bool {
        self.join.is_finished()
    }

    fn pid(&self) -> Pid {
        pid_of(&self.join)
    }

    fn runtime(&self) -> Handle {
        Handle::of(&self.join)
    }

    fn poll_limit(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.join.poll_limit(after, cx)
    }

    fn forget_limit(&mut self) {
        Claim::forget_limit(self);
    }

    fn unlink(&mut self) {
        self.remove_link();
    }

    fn disown(&mut self) {
        self.tenure = Tenure::Free;
    }
}

impl<T> Drop for Claim<T> {
    /// Giving up never strikes back, so the link goes first.
    fn drop(&mut self) {
        if self.join.is_finished() {
            return;
        }
        self.remove_link();
        if self.tenure == Tenure::Owned {
            Handle::of(&self.join).request_shutdown(pid_of(&self.join));
        }
    }
}

/// Whether the process is out of the table. Its answer may be on the way still.
pub(super) fn has_ended<T>(source: &dyn Source<T>) -> bool {
    source.runtime().with(source.pid(), |_| ()).is_none()
}

/// A source whose inner `Err` is an exit.
pub(super) struct OrExit<S, E> {
    source: S,
    error: PhantomData<fn() -> E>,
}

impl<S, E> OrExit<S, E> {
    pub(super) fn new(source: S) -> OrExit<S, E> {
        OrExit { source, error: PhantomData }
    }
}

/// An answer whose inner `Err` is an exit.
pub(super) fn flatten<U, E>(answer: Result<Result<U, E>, Exit>) -> Result<U, Exit>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    answer.and_then(|value| value.map_err(|error| Exit::from(error.into())))
}

impl<S, U, E> Source<U> for OrExit<S, E>
where
    S: Source<Result<U, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<U, Exit>> {
        self.source.poll(cx).map(flatten)
    }

    fn is_finished(&self) -> bool {
        self.source.is_finished()
    }

    fn pid(&self) -> Pid {
        self.source.pid()
    }

    fn runtime(&self) -> Handle {
        self.source.runtime()
    }

    fn poll_limit(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_limit(after, cx)
    }

    fn forget_limit(&mut self) {
        self.source.forget_limit();
    }

    fn unlink(&mut self) {
        self.source.unlink();
    }

    fn disown(&mut self) {
        self.source.disown();
    }
}

impl<T> Source<T> for Box<dyn Source<T>> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        (**self).poll(cx)
    }

    fn is_finished(&self) -> bool {
        (**self).is_finished()
    }

    fn pid(&self) -> Pid {
        (**self).pid()
    }

    fn runtime(&self) -> Handle {
        (**self).runtime()
    }

    fn poll_limit(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_limit(after, cx)
    }

    fn forget_limit(&mut self) {
        (**self).forget_limit();
    }

    fn unlink(&mut self) {
        (**self).unlink();
    }

    fn disown(&mut self) {
        (**self).disown();
    }
}
