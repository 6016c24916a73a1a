//! What an executor calls in the layer above.

use std::any::Any;
use std::time::Duration;

use crate::executor::handle::Executor;
use crate::table::Key;

/// The layer above an [`Executor`]: its shared state, and its callbacks.
pub trait Hooks: Any + Send + Sync {
    /// Called on each thread of the executor, and of tokio, before anything else runs there.
    ///
    /// Clones of this handle do not contend with those of other threads.
    fn thread_started(&self, executor: &Executor);

    /// Calls `body`, which runs tasks, on a thread that does not belong to the executor.
    fn on_foreign_thread(&self, executor: &Executor, body: &mut dyn FnMut());

    /// One poll of `key` has lasted this long and has not returned. Called once for each such poll, on a thread that may
    /// block.
    fn long_poll(&self, key: Key, lasted: Duration);

    /// The task of `key` was found in a poll: adds this much busy time to it. Exact but for the beginning and the end of a
    /// poll.
    fn sampled(&self, key: Key, time: Duration);

    /// Polls are blocked and tasks wait, but there are `max_threads` threads already. Called once until that is over, on a
    /// thread that may block.
    fn threads_exhausted(&self, max_threads: usize);
}
