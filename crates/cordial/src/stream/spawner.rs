//! Starts the processes of a stream, under a task supervisor or without one.

use std::task::{Context, Poll};

use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{Recipient, RuntimeHandle, Spawn};

/// Starts the processes of a stream.
pub(crate) trait Spawner {
    /// The room for one process. Dropping the permit makes the room free for others.
    type Permit;

    /// Returns `Ready`, with a permit, when there is room for one more process.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Self::Permit>;

    /// Gives up a wait that `poll_ready` has begun. Called when no process is to start any more, so that others can have the room.
    fn stop_waiting(&mut self);

    /// Starts a process on `runtime`. `spawn` has the location where the stream was created, and the label of the item. `recipient`
    /// receives the output of `future`, or the exit of the process.
    fn spawn<F, R>(
        &mut self,
        permit: Self::Permit,
        runtime: &RuntimeHandle,
        spawn: &mut Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static;

    /// Returns whether running items continue when an exit signal ends the consumer.
    fn items_outlive_consumer(&self) -> bool;
}

/// Starts processes without a limit and without a supervisor. Dropping the stream asks them to shut down.
#[expect(unnameable_types, reason = "the default of a type parameter that users leave out")]
#[derive(Clone, Copy, Debug)]
pub struct Unsupervised;

impl Spawner for Unsupervised {
    type Permit = ();

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn stop_waiting(&mut self) {}

    fn spawn<F, R>(
        &mut self,
        (): (),
        runtime: &RuntimeHandle,
        spawn: &mut Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        spawn.start_detached(runtime, future, recipient)
    }

    fn items_outlive_consumer(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
