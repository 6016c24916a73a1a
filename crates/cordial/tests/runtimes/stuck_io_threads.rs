//! Limits, grace times, delays and deadlines elapse while code in `tokio::spawn` blocks every thread of tokio. Such threads are
//! reported.
#![expect(clippy::disallowed_methods, reason = "users of tokio may call `tokio::spawn`")]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use cordial::{
    Backoff, ChildSpec, Exit, OnTimeout, Restart, Retry, Runtime, Shutdown, Strategy, StreamTimeout, Supervisor, Task,
    TaskSupervisor, process,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::harness::records::Records;
use crate::harness::subprocess;

const SHORT: Duration = Duration::from_millis(20);

/// For how long the threads stay blocked if the test does not release them before.
const BACKSTOP: Duration = Duration::from_secs(20);

const WORKERS: usize = 2;

/// Runs `body` as a process while each thread of tokio is blocked. Fails unless `body` ends before the threads are released.
fn with_blocked_io_threads<F, T>(body: F) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let runtime = Runtime::builder().workers(WORKERS).build().unwrap();
    let main = async move {
        let all_block = Arc::new(Barrier::new(WORKERS + 1));
        let block = |_| {
            let (release, released) = mpsc::channel::<()>();
            let all_block = all_block.clone();
            let blocked = tokio::spawn(async move {
                all_block.wait();
                released.recv_timeout(BACKSTOP)
            });
            (release, blocked)
        };
        let (releases, blocked): (Vec<_>, Vec<_>) = (0..WORKERS).map(block).unzip();
        all_block.wait();
        let result = body.await;
        drop(releases);
        for blocked in blocked {
            let was_released = blocked.await.unwrap() == Err(mpsc::RecvTimeoutError::Disconnected);
            assert!(was_released, "the body has to end while the threads are blocked");
        }
        result
    };
    runtime.block_on(main).unwrap()
}

/// Ignores requests to shut down.
async fn ignores_requests(is_running: UnboundedSender<()>) {
    let _traps = process::trap_exits();
    is_running.send(()).unwrap();
    pending().await
}

/// Does not return from its poll until `released` is dropped.
async fn never_returns(is_running: UnboundedSender<()>, released: mpsc::Receiver<()>) {
    is_running.send(()).unwrap();
    let _ = released.recv_timeout(BACKSTOP);
}

#[test]
fn the_limit_of_an_await_elapses() {
    let (one, all, limited, many) = with_blocked_io_threads(async {
        let one = Task::spawn(pending::<()>()).timeout(SHORT).await;
        let all = Task::await_many((0..3).map(|_| Task::spawn(pending::<()>()))).timeout(SHORT).await;
        let limited = Task::spawn(pending::<()>()).yield_for(SHORT).await;
        let mut many = [Task::spawn(pending::<()>())];
        let many = Task::yield_many(&mut many).timeout(SHORT).on_timeout(OnTimeout::KillTask).await;
        (one, all, limited, many)
    });
    assert!(matches!(one, Err(Exit::Timeout(_))), "{one:?}");
    assert!(matches!(all, Err(Exit::Timeout(_))), "{all:?}");
    assert_eq!(limited, None);
    assert_eq!(many, [None]);
}

#[test]
fn the_grace_time_of_a_task_elapses() {
    let (ignores, never) = with_blocked_io_threads(async {
        let (running, mut is_running) = tokio::sync::mpsc::unbounded_channel();
        let (_release, released) = mpsc::channel();
        let ignores = Task::spawn(ignores_requests(running.clone()));
        let never = Task::spawn(never_returns(running, released));
        is_running.recv().await.unwrap();
        is_running.recv().await.unwrap();
        (ignores.shutdown(SHORT).await, never.shutdown(Shutdown::BrutalKill).await)
    });
    assert_eq!(ignores, Some(Err(Exit::Killed)));
    assert_eq!(never, Some(Err(Exit::Killed)), "it is abandoned");
}

#[test]
fn the_grace_times_of_children_elapse() {
    let (in_tree, in_tasks) = with_blocked_io_threads(async {
        let (running, mut is_running) = tokio::sync::mpsc::unbounded_channel();
        let spec = || {
            let running = running.clone();
            ChildSpec::task("ignores", move || ignores_requests(running.clone())).shutdown(SHORT)
        };
        let tree = Supervisor::builder(Strategy::OneForOne).child(spec()).start().await.unwrap();
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(spec()).unwrap();
        is_running.recv().await.unwrap();
        is_running.recv().await.unwrap();
        (tree.stop().await, tasks.stop().await)
    });
    for report in [in_tree, in_tasks] {
        assert_eq!((report.killed.len(), report.abandoned.len()), (1, 0), "{report}");
    }
}

#[test]
fn the_shutdown_of_a_runtime_is_limited() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (running, is_running) = mpsc::channel();
    let (traps, mut is_trapping) = tokio::sync::mpsc::unbounded_channel();
    runtime
        .block_on(async move {
            Task::start(ignores_requests(traps));
            is_trapping.recv().await.unwrap();
            tokio::spawn(async move {
                running.send(()).unwrap();
                let _ = released.recv_timeout(BACKSTOP);
            });
        })
        .unwrap();
    is_running.recv().unwrap();
    let report = runtime.shutdown(SHORT);
    assert!(release.send(()).is_ok(), "the shutdown has to end while the thread is blocked");
    assert_eq!(report.killed.len(), 1, "{report}");
}

/// A child that fails when it is started for the first time, and sends when it is started again.
fn fails_once(id: &str, again: UnboundedSender<()>) -> ChildSpec {
    let n_starts = AtomicUsize::new(0);
    let child = ChildSpec::task(id, move || {
        let (n_starts, again) = (n_starts.fetch_add(1, Ordering::SeqCst), again.clone());
        async move {
            if n_starts == 0 {
                cordial::exit(Exit::Killed).await
            }
            again.send(()).unwrap();
            pending::<()>().await
        }
    });
    child.restart(Restart::Permanent).backoff(Backoff::exponential(SHORT, SHORT))
}

#[test]
fn delayed_restarts_take_place() {
    with_blocked_io_threads(async {
        let (again, mut is_again) = tokio::sync::mpsc::unbounded_channel();
        let child = fails_once("in a tree", again.clone());
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        is_again.recv().await.unwrap();
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(fails_once("of a task supervisor", again)).unwrap();
        is_again.recv().await.unwrap();
        tree.stop().await;
        tasks.stop().await;
    });
}

#[test]
fn the_deadlines_of_streams_elapse() {
    let (killed, ended, abandoned, retried) = with_blocked_io_threads(async {
        let killed = Task::async_stream(0..2, |_| pending::<()>()).timeout(SHORT).collect().await;
        let ends = Task::async_stream(0..2, |_| pending::<()>()).timeout(SHORT).on_timeout(StreamTimeout::EndStream);
        let ended = ends.collect().await;
        let (release, released) = mpsc::channel();
        let (running, _is_running) = tokio::sync::mpsc::unbounded_channel();
        let stuck = Task::async_stream([released], move |released| never_returns(running.clone(), released));
        let abandoned = stuck.timeout(SHORT).collect().await;
        drop(release);
        let retried = Task::async_stream([Arc::new(AtomicUsize::new(0))], async |n_attempts| {
            let n_attempts = n_attempts.fetch_add(1, Ordering::SeqCst);
            assert_ne!(n_attempts, 0, "the first attempt fails");
            n_attempts
        });
        let retried = retried.retry(Retry::times(1).backoff(Backoff::exponential(SHORT, SHORT)));
        (killed, ended, abandoned, retried.collect().await)
    });
    assert!(matches!(killed[..], [Err(Exit::Timeout(_)), Err(Exit::Timeout(_))]), "{killed:?}");
    assert!(matches!(ended[..], [Err(Exit::Timeout(_))]), "{ended:?}");
    assert!(matches!(abandoned[..], [Err(Exit::Timeout(_))]), "{abandoned:?}");
    assert_eq!(retried, [Ok(1)]);
}

#[test]
fn a_stuck_thread_is_reported_once() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["1 of 2 threads"]);
        return;
    }
    let records = Records::install("cordial::process=warn".parse().unwrap());
    let runtime = Runtime::builder().workers(WORKERS).build().unwrap();
    let emitted = records.clone();
    let blocks_until_emitted = async move {
        while emitted.of("io_threads_stuck").is_empty() {
            std::thread::yield_now();
        }
    };
    runtime.block_on(async { tokio::spawn(blocks_until_emitted).await.unwrap() }).unwrap();
    // Time for another look at the threads, which must not emit a second event.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(250)).await }).unwrap();
    let emitted = records.of("io_threads_stuck");
    for record in &emitted {
        assert_eq!((record.target, record.level), ("cordial::process", tracing::Level::WARN));
        let lasted: u64 = record.field("lasted_ms").unwrap().parse().unwrap();
        assert!(lasted >= 100, "{lasted}");
        let field = |name| record.field(name).unwrap();
        assert_eq!(field("left_out"), "0");
        subprocess::report(format_args!("{} of {} threads", field("stuck"), field("io_threads")));
    }
}
