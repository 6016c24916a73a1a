//! Who starts the items of a stream. All else is the same for a stream of its own and for one under a supervisor.

use std::panic::Location;
use std::task::{Context, Poll};

use crate::exit::Refusal;
use crate::pid::Pid;
use crate::process::{Handle, Recipient, Spawn};

/// Starts the items of a stream.
pub(crate) trait Spawner {
    /// Ready when one more item may start. What was promised is kept until the next `spawn`.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Starts an item on the runtime, in the name of the place where the stream was made. Its output goes to the recipient.
    fn spawn<F, R>(
        &mut self,
        runtime: &Handle,
        spawned_at: &'static Location<'static>,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static;

    /// Whether items that run already go on when a signal ends the consumer.
    fn lets_run_on(&self) -> bool;
}

/// There is room for as many items as the stream wants, and they belong to it alone.
#[expect(unnameable_types, reason = "the default of a type parameter that users leave out")]
#[derive(Clone, Copy, Debug)]
pub struct Unsupervised;

impl Spawner for Unsupervised {
    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn spawn<F, R>(
        &mut self,
        runtime: &Handle,
        spawned_at: &'static Location<'static>,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        Spawn::new(spawned_at).start_detached(runtime, future, recipient)
    }

    fn lets_run_on(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
