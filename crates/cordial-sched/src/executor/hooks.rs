//! What an executor calls in the layer above.

use std::any::Any;
use std::io;
use std::time::Duration;

use crate::executor::handle::Executor;
use crate::io_watch::StuckIoThreads;
use crate::table::Key;
use crate::thread_limit::ThreadLimit;

/// The layer above an [`Executor`]: its shared state, and its callbacks.
///
/// Some hooks are called on a *thread that may block*, which does nothing else. If the system refuses to start this thread,
/// a thread of tokio makes the call instead.
pub trait Hooks: Any + Send + Sync {
    /// Called on each worker, on the timer thread and on each thread of tokio, before anything else runs there.
    ///
    /// `executor` and its clones have a reference count of their own, for which other threads do not contend.
    fn thread_started(&self, executor: &Executor);

    /// Calls `body`, which runs tasks or calls other hooks. Called on threads that are not workers of
    /// the executor.
    fn on_foreign_thread(&self, executor: &Executor, body: &mut dyn FnMut());

    /// Called once for each long poll of a task, on a thread that may block. `lasted` is how long the poll had lasted when sysmon
    /// found it. The poll may have returned since then.
    fn long_poll(&self, key: Key, lasted: Duration);

    /// Called by sysmon when it has found the task of `key` in a poll, with the busy time to add to that task. The time is an
    /// estimate when sysmon finds the poll for the first time, and is measured from then on. The time between the last sample
    /// and the end of the poll is not added. Must not block, because that would delay sysmon.
    fn sampled(&self, key: Key, time: Duration);

    /// Called when tasks wait behind long polls and there are `max_threads` threads already: once for each such period, on a
    /// thread that may block.
    fn threads_exhausted(&self, max_threads: usize);

    /// Called when threads of tokio have made no progress for 100 ms, at most once a second, on a thread that may block.
    fn io_threads_stuck(&self, stuck: StuckIoThreads);

    /// Called when tasks wait behind long polls and the system refuses another thread, and not again until it has
    /// granted one. Runs on a thread that may block.
    fn threads_refused(&self, error: &io::Error, limit: Option<&ThreadLimit>);
}
