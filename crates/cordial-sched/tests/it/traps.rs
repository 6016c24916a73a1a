//! Traps that other schedulers fell into, each with a test named for it.
//!
//! The tests of these traps are elsewhere, in `crates/cordial/tests` unless a path says otherwise:
//!
//! | trap | test |
//! |---|---|
//! | after a stop, a debugger or a suspended machine all polls look long | `runtimes::overload::a_program_that_is_stopped_and_continued_starts_no_threads` |
//! | blocking becomes part of the contract by accident | `runtimes::long_polls::a_long_poll_is_emitted_once_per_spawn_location` |
//! | a subscriber blocks or panics | `tasks::faulty_user_code::a_subscriber_that_panics_or_blocks_does_not_stop_other_tasks` |
//! | a panic ends a worker | `panic::a_panicking_poll_does_not_stop_its_worker`, in this crate |
//! | a destructor aborts the program | `tasks::destructors::a_worker_survives_every_kind_of_panicking_destructor` |
//! | the destructor of an output that is not joined aborts the program | `tasks::destructors::a_panic_in_the_destructor_of_an_unused_value_is_emitted_and_affects_no_process` |
//! | sysmon sleeps through a poll that gets stuck | `sysmon_does_not_sleep_while_a_worker_is_awake`, in `src/idle/tests.rs` |
//! | dropping a tokio runtime inside async code panics | `runtimes::build_and_shutdown::dropping_a_runtime_kills_its_processes_and_never_blocks` |
//! | `block_on` inside async code panics | `runtimes::blocking::wait_works_inside_a_process` |
//! | a disarmed timeout wakes an idle program | `runtimes::idle::an_idle_program_makes_no_context_switches` |

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::hooks::{executor, spawn, wait, with_deprioritization, with_max_threads};

/// Sends a message when it begins, and computes until it is released.
async fn busy(began: mpsc::Sender<()>, released: Arc<AtomicBool>) {
    began.send(()).unwrap();
    while !released.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
}

#[test]
fn computing_tasks_on_all_workers_do_not_stop_the_rest() {
    let executor = executor(2);
    let released = Arc::new(AtomicBool::new(false));
    let (began, begun) = mpsc::channel();
    let stuck: Vec<_> = (0..8).map(|_| spawn(&executor, busy(began.clone(), released.clone()))).collect();
    // All eight run at once, two on the workers and six on stand-ins, though none of them ends.
    (0..8).for_each(|_| begun.recv().unwrap());
    assert_eq!(wait(spawn(&executor, async { 7 })), 7);
    released.store(true, Ordering::SeqCst);
    stuck.into_iter().for_each(wait);
    executor.close(std::time::Duration::MAX);
}

#[test]
fn blocking_tasks_stay_under_the_thread_limit_and_all_end() {
    let executor = with_max_threads(2, 16);
    let (n_now, n_most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (n_now, n_most) = (n_now.clone(), n_most.clone());
            spawn(&executor, async move {
                n_most.fetch_max(n_now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(10));
                n_now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    tasks.into_iter().for_each(wait);
    let n_most = n_most.load(Ordering::SeqCst);
    assert!((3..=16).contains(&n_most), "{n_most} at once");
    executor.close(std::time::Duration::MAX);
}

/// tokio issue 4941: the task that was woken is in the LIFO slot of the worker whose poll waits for it. If there is one
/// worker, only a stand-in can take the task.
#[test]
fn a_task_in_the_lifo_slot_behind_the_poll_that_woke_it_runs() {
    for workers in [2, 1] {
        let executor = executor(workers);
        let inner = executor.clone();
        let outer = spawn(&executor, async move {
            let (done, is_done) = mpsc::channel();
            // Goes into the LIFO slot of this worker, which then blocks until the task has run.
            let woken = spawn(&inner, async move { done.send(()).unwrap() });
            is_done.recv().unwrap();
            woken.await;
        });
        wait(outer);
        executor.close(std::time::Duration::MAX);
    }
}

/// A worker steals when it has no task of its own, and these workers always have one.
#[test]
fn tasks_in_the_queue_behind_a_stuck_poll_run_even_if_all_other_workers_have_tasks() {
    for max_threads in [2, 512] {
        let executor = with_max_threads(2, max_threads);
        let stop = Arc::new(AtomicBool::new(false));
        let always_ready = || {
            let stop = stop.clone();
            spawn(&executor, async move {
                while !stop.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            })
        };
        let busy: Vec<_> = (0..64).map(|_| always_ready()).collect();
        let inner = executor.clone();
        wait(spawn(&executor, async move {
            let (ran, has_run) = mpsc::channel();
            // In the queue of this worker, which then blocks until all of them have run.
            for _ in 0..64 {
                let ran = ran.clone();
                let _join = spawn(&inner, async move { ran.send(()).unwrap() });
            }
            (0..64).for_each(|_| has_run.recv().unwrap());
        }));
        stop.store(true, Ordering::SeqCst);
        busy.into_iter().for_each(wait);
        executor.close(std::time::Duration::MAX);
    }
}

/// A draft of async-std replaced a worker after a millisecond in one poll, and flooded the program with threads.
#[test]
fn a_long_poll_alone_brings_no_threads() {
    let executor = executor(2);
    let released = Arc::new(AtomicBool::new(false));
    let (began, begun) = mpsc::channel();
    let stuck = spawn(&executor, busy(began, released.clone()));
    begun.recv().unwrap();
    while executor.statistics().long_polls == 0 {
        std::thread::yield_now();
    }
    let statistics = executor.statistics();
    assert_eq!((statistics.workers, statistics.stand_ins), (2, 0), "no task waits for a thread");
    released.store(true, Ordering::SeqCst);
    wait(stuck);
    executor.close(std::time::Duration::MAX);
}

/// The only thread is stuck, and no other is allowed: detection must not need one.
#[test]
fn sysmon_does_not_run_on_the_pool_that_it_watches() {
    let executor = with_max_threads(1, 1);
    let inner = executor.clone();
    wait(spawn(&executor, async move {
        while inner.statistics().long_polls == 0 {
            std::thread::yield_now();
        }
    }));
    executor.close(std::time::Duration::MAX);
}

/// No task runs, so sysmon sleeps without a timer; then a single poll gets stuck.
#[test]
fn a_sleeping_sysmon_is_woken_for_a_poll_that_gets_stuck() {
    let executor = executor(1);
    for n_long in 1..=20 {
        // After a few milliseconds without tasks sysmon sleeps.
        std::thread::sleep(std::time::Duration::from_millis(15));
        let inner = executor.clone();
        wait(spawn(&executor, async move {
            while inner.statistics().long_polls < n_long {
                std::thread::yield_now();
            }
        }));
    }
    executor.close(std::time::Duration::MAX);
}

/// Tokio's cooperative budget is not in force here, so nothing forces such a task to yield.
#[test]
fn sysmon_sees_a_poll_that_is_busy_with_a_socket_that_is_always_ready() {
    let executor = executor(1);
    let has_run = Arc::new(AtomicBool::new(false));
    let until = has_run.clone();
    let (began, begun) = mpsc::channel();
    let busy = spawn(&executor, async move {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(socket.local_addr().unwrap()).await.unwrap();
        began.send(()).unwrap();
        while !until.load(Ordering::SeqCst) {
            // The kernel drops datagrams that do not fit, so the socket is always ready.
            socket.send(b"more").await.unwrap();
        }
    });
    begun.recv().unwrap();
    while executor.statistics().long_polls == 0 {
        std::thread::yield_now();
    }
    wait(spawn(&executor, async move { has_run.store(true, Ordering::SeqCst) }));
    wait(busy);
    executor.close(std::time::Duration::MAX);
}

/// Every thread that runs tasks has entered the tokio runtime for as long as it runs them.
#[test]
fn timers_and_sockets_of_tokio_work_on_a_stand_in() {
    async fn uses_tokio() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connected) = tokio::join!(listener.accept(), tokio::net::TcpStream::connect(address));
        drop((accepted.unwrap(), connected.unwrap()));
        #[expect(clippy::disallowed_methods, reason = "as a library does that knows only tokio")]
        tokio::spawn(async {}).await.unwrap();
    }
    let executor = executor(1);
    let released = Arc::new(AtomicBool::new(false));
    let (began, begun) = mpsc::channel();
    // Each stand-in is stuck as well, so every iteration runs on another thread.
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let stuck = spawn(&executor, busy(began.clone(), released.clone()));
            begun.recv().unwrap();
            wait(spawn(&executor, uses_tokio()));
            stuck
        })
        .collect();
    assert!(executor.statistics().stand_ins >= 3);
    released.store(true, Ordering::SeqCst);
    stuck.into_iter().for_each(wait);
    // A thread that was blocked and has resumed.
    (0..10).for_each(|_| wait(spawn(&executor, uses_tokio())));
    executor.close(std::time::Duration::MAX);
}

#[test]
fn threads_that_compute_in_long_polls_are_deprioritized_and_exit_if_they_are_more_than_the_processors() {
    let executor = with_deprioritization(1);
    let released = Arc::new(AtomicBool::new(false));
    let (began, begun) = mpsc::channel();
    let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let start = || {
        let stuck = spawn(&executor, busy(began.clone(), released.clone()));
        begun.recv().unwrap();
        // A task that waits, so that a stand-in becomes active.
        wait(spawn(&executor, async {}));
        stuck
    };
    let mut stuck: Vec<_> = (0..n_processors).map(|_| start()).collect();
    // Sysmon would have deprioritized them in one of the first rounds in which it found all of them in their polls.
    let n_seen_for_long = || executor.statistics().busy_samples.iter().filter(|n_rounds| **n_rounds >= 50).count();
    while n_seen_for_long() < n_processors {
        std::thread::yield_now();
    }
    assert_eq!(executor.statistics().deprioritized, 0, "each processor has one of them at most");
    stuck.push(start());
    if cfg!(target_os = "linux") {
        while executor.statistics().deprioritized <= n_processors {
            std::thread::yield_now();
        }
    }
    released.store(true, Ordering::SeqCst);
    stuck.into_iter().for_each(wait);
    while executor.statistics().deprioritized > 0 {
        std::thread::yield_now();
    }
    let statistics = executor.statistics();
    assert_eq!(statistics.workers, 1);
    assert_eq!(wait(spawn(&executor, async { 7 })), 7);
    executor.close(std::time::Duration::MAX);
}

#[test]
fn a_yielding_task_goes_behind_the_queue() {
    let executor = executor(1);
    let (order, happened) = mpsc::channel();
    let first = order.clone();
    let inner = executor.clone();
    wait(spawn(&executor, async move {
        let other = spawn(&inner, async move { order.send("other").unwrap() });
        tokio::task::yield_now().await;
        first.send("again").unwrap();
        other.await;
    }));
    assert_eq!(happened.try_iter().collect::<Vec<_>>(), ["other", "again"]);
    executor.close(std::time::Duration::MAX);
}

#[test]
fn two_tasks_that_wake_each_other_do_not_starve_the_rest() {
    let executor = executor(1);
    let (there, mut here) = tokio::sync::mpsc::channel::<()>(1);
    let (back, mut again) = tokio::sync::mpsc::channel::<()>(1);
    let stop = Arc::new(AtomicBool::new(false));
    let until = stop.clone();
    let ping = spawn(&executor, async move {
        while !until.load(Ordering::SeqCst) && there.send(()).await.is_ok() {
            again.recv().await;
        }
    });
    let pong = spawn(&executor, async move { while here.recv().await.is_some() && back.send(()).await.is_ok() {} });
    // This task runs, even though the LIFO slot is never empty for long.
    wait(spawn(&executor, async move { stop.store(true, Ordering::SeqCst) }));
    wait(ping);
    wait(pong);
    executor.close(std::time::Duration::MAX);
}

#[test]
fn timers_fire_in_time_order() {
    let executor = executor(2);
    let ms = std::time::Duration::from_millis;
    let inner = executor.clone();
    wait(spawn(&executor, async move {
        let short = inner.timer(ms(5)).unwrap();
        let mut long = std::pin::pin!(inner.timer(ms(60_000)).unwrap());
        assert!(is_pending(&mut long).await);
        short.await;
        assert!(is_pending(&mut long).await);
        assert!(inner.timer(std::time::Duration::MAX).is_none());
    }));
    executor.close(std::time::Duration::MAX);
}

async fn is_pending(future: &mut std::pin::Pin<&mut cordial_sched::Timer>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
