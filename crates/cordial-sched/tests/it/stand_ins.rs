//! A stand-in runs tasks only while the worker that it replaces is in a long poll.

use std::sync::mpsc;
use std::time::Duration;

use crate::hooks::{executor, spawn, wait, with_max_threads};

/// How many tasks may run before the worker has its place back, which takes about a millisecond, and for how long at least: on a
/// busy machine the worker may get no processor for a second.
const MAX: usize = 100_000;
const LIMIT: Duration = Duration::from_secs(30);

fn name_of_this_thread() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

#[test]
fn a_worker_takes_its_place_back_from_its_stand_in_after_a_long_poll() {
    let executor = executor(1);
    let (release, released) = mpsc::channel::<()>();
    let (begins, has_begun) = mpsc::channel();
    let long = spawn(&executor, async move {
        begins.send(name_of_this_thread()).unwrap();
        let _ = released.recv();
    });
    let worker = has_begun.recv().unwrap();
    let stand_in = wait(spawn(&executor, async { name_of_this_thread() }));
    assert_ne!(stand_in, worker);
    drop(release);
    wait(long);
    let (begun, mut n_run) = (tokio::time::Instant::now(), 0);
    while wait(spawn(&executor, async { name_of_this_thread() })) != worker {
        n_run += 1;
        assert!(n_run < MAX || begun.elapsed() < LIMIT, "{stand_in:?} runs all tasks");
    }
    executor.close(Duration::MAX);
}

#[test]
fn an_executor_without_a_limit_of_threads_starts() {
    let executor = with_max_threads(1, usize::MAX);
    assert_eq!(wait(spawn(&executor, async { 7 })), 7);
    executor.close(Duration::MAX);
}
