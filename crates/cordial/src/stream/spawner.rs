//! Who starts the items of a stream. All else is the same for a stream of its own and for one under a supervisor.

use std::panic::Location;
use std::task::{Context, Poll};

use crate::process::Handle;
use crate::task::Task;

/// Starts the items of a stream.
pub(crate) trait Spawner {
    /// Ready when one more item may start. What was promised is kept until the next `spawn`.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Starts an item on the runtime, in the name of the place where the stream was made.
    fn spawn<F>(&mut self, runtime: &Handle, spawned_at: &'static Location<'static>, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

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

    fn spawn<F>(&mut self, runtime: &Handle, spawned_at: &'static Location<'static>, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Task::spawn_at(runtime, spawned_at, future)
    }

    fn lets_run_on(&self) -> bool {
        false
    }
}
