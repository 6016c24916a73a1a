//! Closing an executor: its threads exit, and every ready task still runs.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use cordial_sched::Executor;

use crate::hooks::{executor, n_alive, n_foreign, simulation, spawn, spawn_unrecorded, wait};

/// Blocks a worker in a poll until the sender is dropped. Returns when the poll has begun.
fn block_a_worker(executor: &Executor) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (tx, has_begun) = mpsc::channel();
    let _join = spawn(executor, async move {
        tx.send(()).unwrap();
        let _ = released.recv();
    });
    has_begun.recv().unwrap();
    release
}

#[test]
fn close_stops_idle_threads() {
    for workers in 1..4 {
        let executor = executor(workers);
        assert_eq!(executor.close(Duration::MAX), 0);
        assert!(executor.is_closed());
        assert_eq!(executor.close(Duration::MAX), 0, "there is nothing left to stop");
    }
}

#[test]
fn workers_that_close_their_own_executor_do_not_wait_for_each_other() {
    let executor = executor(2);
    let (tx, rx) = mpsc::channel();
    let are_both_in_a_poll = Arc::new(Barrier::new(2));
    for _ in 0..2 {
        let (own, are_both_in_a_poll, tx) = (executor.clone(), are_both_in_a_poll.clone(), tx.clone());
        let _join = spawn(&executor, async move {
            are_both_in_a_poll.wait();
            tx.send(own.close(Duration::MAX)).unwrap();
        });
    }
    assert_eq!([rx.recv(), rx.recv()], [Ok(0), Ok(0)]);
}

#[test]
fn tasks_that_are_ready_at_the_close_still_run() {
    let executor = executor(1);
    let release = block_a_worker(&executor);
    let n_run = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let n_run = n_run.clone();
        // Each task yields once, so it is queued a second time after the close.
        let _join = spawn(&executor, async move {
            tokio::task::yield_now().await;
            n_run.fetch_add(1, Ordering::SeqCst);
        });
    }
    thread::scope(|scope| {
        let closing = scope.spawn(|| executor.close(Duration::MAX));
        while !executor.is_closed() {
            thread::yield_now();
        }
        drop(release);
        assert_eq!(closing.join().unwrap(), 0);
    });
    assert_eq!(n_run.load(Ordering::SeqCst), 1000);
    assert_eq!(n_alive(&executor), 0);
}

#[test]
fn close_counts_a_worker_in_a_poll_that_does_not_return() {
    let executor = executor(1);
    let release = block_a_worker(&executor);
    assert_eq!(executor.close(Duration::ZERO), 1);
    drop(release);
    assert_eq!(executor.close(Duration::MAX), 0);
}

/// How long a test waits for a task that should run soon.
const SOON: Duration = Duration::from_secs(120);

#[test]
fn a_task_that_is_ready_after_the_close_does_not_wait_for_a_poll_that_does_not_return() {
    for workers in [1, 2] {
        let executor = executor(workers);
        let releases: Vec<_> = (0..workers).map(|_| block_a_worker(&executor)).collect();
        assert!(executor.close(Duration::ZERO) >= workers);
        for _ in 0..3 {
            let (tx, rx) = mpsc::channel();
            let _join = spawn(&executor, async move { tx.send(()).unwrap() });
            assert_eq!(rx.recv_timeout(SOON), Ok(()), "{workers} workers");
        }
        drop(releases);
        assert_eq!(executor.close(Duration::MAX), 0);
        assert_eq!(n_alive(&executor), 0);
    }
}

#[test]
fn a_poll_may_wait_for_a_task_that_it_has_woken_after_the_close() {
    let executor = executor(2);
    let own = executor.clone();
    let waited = wait(spawn(&executor, async move {
        own.close(Duration::ZERO);
        // Most often the other worker has exited, and the new task is in the slot of this worker, which blocks.
        let (tx, rx) = mpsc::channel();
        let _join = spawn(&own, async move { tx.send(()).unwrap() });
        rx.recv_timeout(SOON)
    }));
    assert_eq!(waited, Ok(()));
    assert_eq!(executor.close(Duration::MAX), 0);
}

#[test]
fn of_two_workers_only_the_blocked_one_stays() {
    let executor = executor(2);
    let release = block_a_worker(&executor);
    while executor.close(Duration::ZERO) > 1 {
        thread::yield_now();
    }
    assert_eq!(executor.close(Duration::ZERO), 1);
    drop(release);
    assert_eq!(executor.close(Duration::MAX), 0);
}

#[test]
fn a_task_may_close_its_own_executor() {
    let executor = executor(1);
    let own = executor.clone();
    assert_eq!(wait(spawn(&executor, async move { own.close(Duration::MAX) })), 0, "it does not wait for itself");
    assert_eq!(executor.close(Duration::MAX), 0);
}

#[test]
fn after_all_threads_have_exited_the_thread_that_wakes_a_task_runs_it() {
    let executor = executor(2);
    let (tx, rx) = tokio::sync::oneshot::channel();
    let join = spawn(&executor, async move {
        let thread = rx.await;
        (thread, thread::current().id())
    });
    assert_eq!(executor.close(Duration::MAX), 0);
    let here = thread::current().id();
    tx.send(here).unwrap();
    assert!(join.is_finished(), "it ran inside of `send`");
    assert_eq!(output_of_ready(join), (Ok(here), here));
    assert_eq!(n_foreign(&executor), 1);
    assert_eq!(n_alive(&executor), 0);
}

/// Starts many tasks of which each wakes the next one when it ends, and returns the sender that wakes the first.
fn chain(executor: &Executor) -> tokio::sync::oneshot::Sender<()> {
    let (first, mut rx) = tokio::sync::oneshot::channel();
    for _ in 0..20_000 {
        let (tx, next) = tokio::sync::oneshot::channel::<()>();
        let before = std::mem::replace(&mut rx, next);
        let _join = spawn_unrecorded(executor, async move {
            let _ended = before.await;
            drop(tx);
        });
    }
    first
}

#[test]
fn a_thread_local_may_begin_a_long_chain_of_wake_ups_when_its_thread_ends() {
    thread_local!(static HELD: RefCell<Vec<tokio::sync::oneshot::Sender<()>>> = const { RefCell::new(Vec::new()) });
    let closed = executor(1);
    let of_closed = [(); 2].map(|()| chain(&closed));
    assert_eq!(closed.close(Duration::MAX), 0);
    let simulation = simulation(1);
    let of_gone = [(); 2].map(|()| chain(simulation.executor()));
    assert!(simulation.block_on(std::future::pending::<()>()).is_err(), "all tasks wait");
    drop(simulation);
    #[expect(clippy::disallowed_methods, reason = "a thread that has no relation to the executor")]
    let ending = thread::spawn(move || {
        // Used before any thread-local of the executor, so that it is destroyed after them.
        HELD.with_borrow_mut(Vec::clear);
        for [now, later] in [of_closed, of_gone] {
            drop(now);
            HELD.with_borrow_mut(|held| held.push(later));
        }
    });
    ending.join().unwrap();
    assert!(n_foreign(&closed) > 0);
}

/// Returns the output of a future that is ready.
fn output_of_ready<F: Future>(future: F) -> F::Output {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it is ready"),
    }
}

/// Threads and tasks start new tasks while the executor closes. Each new task is run by a worker or, once no
/// worker is left, by a thread that starts tasks or closes the executor.
#[test]
fn every_task_that_is_started_during_the_close_runs() {
    for _ in 0..200 {
        let executor = executor(2);
        let n_run = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let (own, n_run) = (executor.clone(), n_run.clone());
                        let _join = spawn(&executor, async move {
                            let _child = spawn(&own, async move { n_run.fetch_add(1, Ordering::SeqCst) });
                            tokio::task::yield_now().await;
                        });
                    }
                });
            }
            executor.close(Duration::MAX);
        });
        assert_eq!(executor.close(Duration::MAX), 0);
        // The last worker counts as ended before it runs the tasks that are left, so the close may return earlier.
        while n_alive(&executor) > 0 {
            thread::yield_now();
        }
        assert_eq!(n_run.load(Ordering::SeqCst), 200);
    }
}
