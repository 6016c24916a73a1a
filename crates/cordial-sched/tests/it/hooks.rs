//! The simplest layer above an executor: a table of live tasks, to count them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial_sched::{Executor, Hooks, JoinHandle, Key, Options, Simulation, StuckIoThreads, Table};

/// The record of a task.
struct Live;

pub(crate) struct TableHooks {
    table: Table<Live>,
    /// How often tasks ran on a thread that is not the executor's.
    n_foreign: AtomicUsize,
}

impl TableHooks {
    fn new() -> Arc<TableHooks> {
        Arc::new(TableHooks { table: Table::new(2), n_foreign: AtomicUsize::new(0) })
    }
}

impl Hooks for TableHooks {
    fn thread_started(&self, _: &Executor) {}

    fn on_foreign_thread(&self, _: &Executor, body: &mut dyn FnMut()) {
        self.n_foreign.fetch_add(1, Ordering::SeqCst);
        body();
    }

    fn long_poll(&self, _: Key, _: Duration) {}

    fn sampled(&self, _: Key, _: Duration) {}

    fn threads_exhausted(&self, _: usize) {}

    fn io_threads_stuck(&self, _: StuckIoThreads) {}

    fn threads_refused(&self, _: &std::io::Error, _: Option<&cordial_sched::ThreadLimit>) {}
}

pub(crate) fn executor(workers: usize) -> Executor {
    start(workers, 512, false)
}

pub(crate) fn with_max_threads(workers: usize, max_threads: usize) -> Executor {
    start(workers, max_threads, false)
}

pub(crate) fn with_deprioritization(workers: usize) -> Executor {
    start(workers, 512, true)
}

fn start(workers: usize, max_threads: usize, deprioritize_long_polls: bool) -> Executor {
    let stall_after = Duration::from_millis(4);
    let options = Options { workers, stall_after, max_threads, deprioritize_long_polls, check_threads: true };
    Executor::start(options, TableHooks::new()).unwrap()
}

pub(crate) fn simulation(seed: u64) -> Simulation {
    Simulation::new(seed, TableHooks::new()).unwrap()
}

/// Starts a task. Its record is removed from the table when its future is dropped.
pub(crate) fn spawn<F>(executor: &Executor, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let table = &hooks(executor).table;
    let key = table.reserve().unwrap();
    let record = RemoveOnDrop { executor: executor.clone(), key };
    let body = async move {
        let _record = record;
        future.await
    };
    let prepared = executor.prepare(executor.reserve(key), body);
    table.occupy(key, || Live);
    prepared.start(executor)
}

/// Starts a task that does not keep its executor alive.
pub(crate) fn spawn_unrecorded<F>(executor: &Executor, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let key = hooks(executor).table.reserve().unwrap();
    executor.prepare(executor.reserve(key), future).start(executor)
}

/// Returns how many tasks are alive.
pub(crate) fn n_alive(executor: &Executor) -> usize {
    hooks(executor).table.len()
}

pub(crate) fn n_foreign(executor: &Executor) -> usize {
    hooks(executor).n_foreign.load(Ordering::SeqCst)
}

/// Blocks this thread, which is not a worker, until the task has finished.
pub(crate) fn wait<T>(join: JoinHandle<T>) -> T {
    let tokio = join.executor().tokio().clone();
    tokio.block_on(join)
}

fn hooks(executor: &Executor) -> &TableHooks {
    executor.hooks().expect("every executor here has these hooks")
}

struct RemoveOnDrop {
    executor: Executor,
    key: Key,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        hooks(&self.executor).table.remove(self.key);
    }
}
