//! Limits, grace times, delays and deadlines elapse while code in `tokio::spawn` blocks every thread of tokio. Such threads are
//! reported.
#![expect(clippy::disallowed_methods, reason = "users of tokio may call `tokio::spawn`")]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use cordial::process::{self, StopReport};
use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{
    Backoff, ChildSpec, Exit, OnTimeout, Restart, Retry, Runtime, Shutdown, StartError, Strategy, StreamTimeout,
    Supervisor, Task, TaskSupervisor,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::harness::records::Records;
use crate::harness::{attempts, subprocess};

const SHORT: Duration = Duration::from_millis(20);

/// For how long the threads stay blocked if the test does not release them before.
const BACKSTOP: Duration = Duration::from_secs(90);

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

/// How many processes a stop has killed. One that was killed is listed as abandoned instead if its thread gets no processor for 100 ms, in
/// the poll in which it is dropped.
fn n_killed(report: &StopReport) -> usize {
    report.killed.len() + report.abandoned.len()
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
        assert_eq!(n_killed(&report), 1, "{report}");
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
    assert_eq!(n_killed(&report), 1, "{report}");
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

/// How late a wait may end on an idle machine.
const LATE: Duration = Duration::from_millis(20);

/// For how long a wait that ends later is repeated: on a busy machine, where threads wait for a processor, only the best of many shows
/// how late the library is.
const REPEATED: Duration = Duration::from_secs(40);

/// Repeats a wait for something that is due after `SHORT`, until it ends at most `LATE` after that. `wait` returns how long it took.
#[track_caller]
fn check_lateness<F>(wait: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = Duration> + Send + 'static,
{
    let least = with_blocked_io_threads(async move {
        let (began, mut least) = (Instant::now(), Duration::MAX);
        while least > SHORT + LATE && began.elapsed() < REPEATED {
            least = least.min(wait().await);
        }
        least
    });
    assert!(least <= SHORT + LATE, "{least:?} instead of {SHORT:?}");
}

/// Returns how long a future takes.
async fn duration_of(wait: impl Future<Output = ()> + Send) -> Duration {
    let began = Instant::now();
    wait.await;
    began.elapsed()
}

fn pending_task() -> Task<()> {
    Task::spawn(pending())
}

#[test]
fn limits_are_at_most_20_ms_late() {
    struct Silent;
    impl Server for Silent {}
    struct Ask;
    impl Handle<Ask> for Silent {
        type Reply = ();
        async fn handle(&mut self, _: Ask, _: &mut Context<Self>) {
            pending().await
        }
    }
    let is_timeout = |exit: Result<(), Exit>| assert!(exit.unwrap_err().is_timeout());
    check_lateness(move || duration_of(async move { is_timeout(pending_task().timeout(SHORT).await) }));
    check_lateness(move || {
        duration_of(async move { is_timeout(Task::await_many([pending_task()]).timeout(SHORT).await.map(drop)) })
    });
    check_lateness(|| duration_of(async { assert_eq!(pending_task().yield_for(SHORT).await, None) }));
    check_lateness(|| {
        duration_of(async { assert_eq!(Task::yield_many(&mut [pending_task()]).timeout(SHORT).await, [None]) })
    });
    check_lateness(move || duration_of(async move { is_timeout(cordial::within(SHORT, pending::<()>()).await) }));
    check_lateness(move || async move {
        let server = ServerRef::start(|| Silent);
        duration_of(async { is_timeout(server.call(Ask).timeout(SHORT).await) }).await
    });
    check_lateness(|| {
        duration_of(async {
            let hangs = ChildSpec::init("hangs", || async {
                pending::<()>().await;
                Ok::<_, Exit>(pending::<()>())
            });
            let tree = Supervisor::builder(Strategy::OneForOne).child(hangs.start_timeout(SHORT));
            assert!(matches!(tree.start().await, Err(StartError::TimedOut { .. })));
        })
    });
}

#[test]
fn grace_times_are_at_most_20_ms_late() {
    check_lateness(|| async {
        let (running, mut is_running) = unbounded_channel();
        let task = Task::spawn(ignores_requests(running));
        is_running.recv().await.unwrap();
        duration_of(async { assert_eq!(task.shutdown(SHORT).await, Some(Err(Exit::Killed))) }).await
    });
    let ignores = |running: UnboundedSender<()>| {
        ChildSpec::task("ignores", move || ignores_requests(running.clone())).shutdown(SHORT)
    };
    check_lateness(move || async move {
        let (running, mut is_running) = unbounded_channel();
        let tree = Supervisor::builder(Strategy::OneForOne).child(ignores(running)).start().await.unwrap();
        is_running.recv().await.unwrap();
        duration_of(async { assert_eq!(n_killed(&tree.stop().await), 1) }).await
    });
    check_lateness(move || async move {
        let (running, mut is_running) = unbounded_channel();
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(ignores(running)).unwrap();
        is_running.recv().await.unwrap();
        duration_of(async { assert_eq!(n_killed(&tasks.stop().await), 1) }).await
    });
}

#[test]
fn delayed_restarts_are_at_most_20_ms_late() {
    check_lateness(|| async {
        let (again, mut is_again) = unbounded_channel();
        let tree = Supervisor::builder(Strategy::OneForOne).child(fails_once("in a tree", again));
        duration_of(async {
            let tree = tree.start().await.unwrap();
            is_again.recv().await.unwrap();
            drop(tree);
        })
        .await
    });
    check_lateness(|| async {
        let (again, mut is_again) = unbounded_channel();
        let tasks = TaskSupervisor::start();
        duration_of(async {
            tasks.start_child_with(fails_once("of a task supervisor", again)).unwrap();
            is_again.recv().await.unwrap();
        })
        .await
    });
}

#[test]
fn deadlines_and_retries_of_streams_are_at_most_20_ms_late() {
    for on_timeout in [StreamTimeout::KillTask, StreamTimeout::EndStream] {
        check_lateness(move || {
            duration_of(async move {
                let stream = Task::async_stream([()], |()| pending::<()>()).timeout(SHORT).on_timeout(on_timeout);
                let results = stream.collect().await;
                assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
            })
        });
    }
    check_lateness(|| {
        duration_of(async {
            let attempt = |n_attempts: Arc<AtomicUsize>| async move {
                if n_attempts.fetch_add(1, Ordering::SeqCst) == 0 { Err("no luck") } else { Ok(()) }
            };
            let stream = Task::async_stream([Arc::new(AtomicUsize::new(0))], attempt).or_exit();
            let retry = Retry::times(1).backoff(Backoff::exponential(SHORT, SHORT));
            assert_eq!(stream.retry(retry).collect().await, [Ok(())]);
        })
    });
}

#[test]
fn a_stuck_thread_is_reported() {
    if subprocess::case().is_none() {
        let test = test_name!();
        // The other thread counts as stuck if it gets no processor.
        return attempts::one_succeeds(|| assert_eq!(subprocess::run(test, "").reports(), ["1 of 2 threads"]));
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
