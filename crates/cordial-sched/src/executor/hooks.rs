//! What the executor tells the layer above.

use std::any::Any;
use std::time::Duration;

use crate::{Executor, Key};

/// The layer above an [`Executor`]: its shared state, and what it wants to be told.
pub trait Hooks: Any + Send + Sync {
    /// Called on every thread of the executor, tokio's included, before anything else runs there.
    ///
    /// The handle is this thread's own: clones of it do not contend with those of other threads.
    fn thread_started(&self, executor: &Executor);

    /// Calls `body` on a thread that is not the executor's own, which runs its tasks meanwhile.
    fn on_foreign_thread(&self, executor: &Executor, body: &mut dyn FnMut());

    /// One poll of `key` has lasted this long and has not returned. Told once per poll, from a thread of its own: it may
    /// block.
    fn long_poll(&self, key: Key, lasted: Duration);

    /// The watch found `key` in a poll: charge it with this much busy time. Exact but for the beginning and the end of a poll.
    fn sampled(&self, key: Key, time: Duration);

    /// Polls are stuck and work waits, but there are `max_threads` threads already. Told once until that is over.
    fn threads_exhausted(&self, max_threads: usize);
}
