//! A waker that is kept after its process has ended: it wakes no process of another runtime.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use cordial::{Runtime, Task};

/// More than the free task headers that one thread keeps.
const PROCESSES: usize = 300;

/// Builds a runtime whose workers alone poll its processes: a busy machine brings no stand-ins.
fn with_workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).stall_after(Duration::from_secs(3600)).build().unwrap()
}

/// Runs processes to their end. Returns a waker of each.
fn stale_wakers(runtime: &Runtime) -> Vec<Waker> {
    let (wakers, kept) = mpsc::channel();
    runtime
        .block_on(async move {
            for _ in 0..PROCESSES {
                let wakers = wakers.clone();
                let process = poll_fn(move |cx| {
                    wakers.send(cx.waker().clone()).unwrap();
                    Poll::Ready(())
                });
                Task::spawn(process).await.unwrap();
            }
        })
        .unwrap();
    kept.into_iter().collect()
}

/// Starts processes that wait forever, wakes the stale wakers, and checks that each process was polled once.
#[track_caller]
fn assert_wakes_nothing(stale: &[Waker], runtime: &Runtime) {
    assert!(stale.len() >= PROCESSES);
    let n_polls = Arc::new(AtomicUsize::new(0));
    for _ in 0..PROCESSES {
        let n_polls = n_polls.clone();
        let process = poll_fn(move |_| {
            n_polls.fetch_add(1, Ordering::SeqCst);
            Poll::<()>::Pending
        });
        runtime.block_on(async { Task::start(process) }).unwrap();
    }
    while n_polls.load(Ordering::SeqCst) < PROCESSES {
        std::thread::yield_now();
    }
    for _ in 0..50 {
        stale.iter().for_each(Waker::wake_by_ref);
        stale.iter().cloned().for_each(Waker::wake);
    }
    // If a process was woken, the only worker polls it before it polls these tasks.
    for _ in 0..3 {
        runtime.block_on(async { Task::spawn(async {}).await }).unwrap().unwrap();
    }
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.processes.len(), PROCESSES);
    assert!(snapshot.processes.iter().all(|process| process.polls == 1), "a process was polled again");
    assert_eq!(n_polls.load(Ordering::SeqCst), PROCESSES);
}

#[test]
fn a_stale_waker_wakes_no_process_of_another_runtime() {
    let (there, here) = (with_workers(2), with_workers(1));
    let stale = stale_wakers(&there);
    assert_wakes_nothing(&stale, &here);
}

#[test]
fn a_stale_waker_of_a_runtime_that_was_dropped_wakes_no_process_of_another_runtime() {
    // A dropped runtime may release its task headers a moment later, so its wakers are tried on all
    // later runtimes.
    let mut stale = Vec::new();
    for _ in 0..6 {
        let there = with_workers(2);
        stale.extend(stale_wakers(&there));
        drop(there);
        assert_wakes_nothing(&stale, &with_workers(1));
    }
}
