//! The least that stands above an executor: a table of what lives, so that whoever is left can be counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial_sched::{Executor, Hooks, JoinHandle, Key, Options, Simulation, Table};

/// A task.
struct Live;

pub(crate) struct Plain {
    table: Table<Live>,
    /// How often a thread had to stand in for the workers.
    n_foreign: AtomicUsize,
}

impl Plain {
    fn new() -> Arc<Plain> {
        Arc::new(Plain { table: Table::new(2), n_foreign: AtomicUsize::new(0) })
    }
}

impl Hooks for Plain {
    fn thread_started(&self, _: &Executor) {}

    fn on_foreign_thread(&self, _: &Executor, body: &mut dyn FnMut()) {
        self.n_foreign.fetch_add(1, Ordering::SeqCst);
        body();
    }

    fn long_poll(&self, _: Key, _: Duration) {}

    fn sampled(&self, _: Key, _: Duration) {}

    fn threads_exhausted(&self, _: usize) {}
}

pub(crate) fn executor(workers: usize) -> Executor {
    with_options(workers, 512)
}

pub(crate) fn with_options(workers: usize, max_threads: usize) -> Executor {
    let options =
        Options { workers, stall_after: Duration::from_millis(4), max_threads, deprioritize_long_polls: false };
    Executor::start(options, Plain::new()).unwrap()
}

pub(crate) fn with_lowering(workers: usize) -> Executor {
    let options =
        Options { workers, stall_after: Duration::from_millis(4), max_threads: 512, deprioritize_long_polls: true };
    Executor::start(options, Plain::new()).unwrap()
}

pub(crate) fn simulation(seed: u64) -> Simulation {
    Simulation::new(seed, Plain::new()).unwrap()
}

/// Starts a task that leaves the table when its future is dropped.
pub(crate) fn spawn<F>(executor: &Executor, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let plain = plain(executor);
    let table = &plain.table;
    let key = table.reserve().unwrap();
    let slot = Slot { executor: executor.clone(), key };
    let body = async move {
        let _slot = slot;
        future.await
    };
    let start = executor.prepare(executor.reserve(key), body);
    table.occupy(key, || Live);
    start.start(executor)
}

/// How many tasks are alive.
pub(crate) fn n_alive(executor: &Executor) -> usize {
    plain(executor).table.len()
}

pub(crate) fn n_foreign(executor: &Executor) -> usize {
    plain(executor).n_foreign.load(Ordering::SeqCst)
}

/// Blocks this thread, which is no worker, until the task has ended.
pub(crate) fn wait<T>(join: JoinHandle<T>) -> T {
    let tokio = join.executor().tokio().clone();
    tokio.block_on(join)
}

fn plain(executor: &Executor) -> &Plain {
    executor.hooks().expect("it was built with one")
}

struct Slot {
    executor: Executor,
    key: Key,
}

impl Drop for Slot {
    fn drop(&mut self) {
        plain(&self.executor).table.remove(self.key);
    }
}
